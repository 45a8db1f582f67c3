/** Reports in the shape of `nvidia-smi -q -x`, for tests and for stand-in executables. */
export interface FixtureGpu {
  uuid?: string;
  name?: string;
  serial?: string;
  total?: string;
  used?: string;
  util?: string;
  temp?: string;
  power?: string;
  mig?: string;
  /** Null: nothing computes on it. */
  process?: string | null;
}

export function gpuXml(gpu: FixtureGpu): string {
  return `  <gpu id="00000000:01:00.0">
    <product_name>${gpu.name ?? 'NVIDIA GeForce RTX 4090'}</product_name>
    <display_mode>Requested functionality has been deprecated</display_mode>
    <mig_mode><current_mig>${gpu.mig ?? 'N/A'}</current_mig></mig_mode>
    <serial>${gpu.serial ?? 'N/A'}</serial>
    <uuid>${gpu.uuid ?? 'GPU-11111111-2222-3333-4444-555555555555'}</uuid>
    <pci><pci_gpu_link_info>
      <pcie_gen><max_link_gen>4</max_link_gen><current_link_gen>1</current_link_gen></pcie_gen>
      <link_widths><max_link_width>16x</max_link_width><current_link_width>16x</current_link_width></link_widths>
    </pci_gpu_link_info></pci>
    <fb_memory_usage><total>${gpu.total ?? '24564 MiB'}</total><used>${gpu.used ?? '1 MiB'}</used></fb_memory_usage>
    <utilization><gpu_util>${gpu.util ?? '0 %'}</gpu_util></utilization>
    <temperature><gpu_temp>${gpu.temp ?? '35 C'}</gpu_temp></temperature>
    <gpu_power_readings><instant_power_draw>${gpu.power ?? '21.50 W'}</instant_power_draw></gpu_power_readings>
    <processes>${gpu.process === null ? '' : `<process_info><pid>1</pid><process_name>${gpu.process ?? 'python3'}</process_name></process_info>`}</processes>
  </gpu>
`;
}

export function smiXml(gpus: string[], attached = gpus.length): string {
  return `<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v13.dtd">
<nvidia_smi_log>
  <timestamp>Sat Nov 21 12:00:00 2026</timestamp>
  <driver_version>580.82.07</driver_version>
  <cuda_version>13.0</cuda_version>
  <attached_gpus>${attached}</attached_gpus>
${gpus.join('')}</nvidia_smi_log>
`;
}

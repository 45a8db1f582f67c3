import { describe, expect, it } from 'vitest';
import { marketGpuName } from './gpu-name.rules.js';

describe('marketGpuName', () => {
  it.each([
    ['NVIDIA GeForce RTX 4090', 'RTX 4090'],
    ['GeForce RTX 2080 Ti', 'RTX 2080 Ti'],
    ['NVIDIA GeForce RTX 3080 Laptop GPU', 'RTX 3080 Laptop'],
    ['NVIDIA GeForce GTX 1060 6GB', 'GTX 1060'],
    ['NVIDIA H100 80GB HBM3', 'H100 SXM'],
    ['NVIDIA H100 PCIe', 'H100 PCIe'],
    ['NVIDIA H100 NVL', 'H100 NVL'],
    ['NVIDIA H100 80GB HBM2e', 'H100 PCIe'],
    ['NVIDIA H200', 'H200'],
    ['NVIDIA H200 NVL', 'H200 NVL'],
    ['NVIDIA GH200 480GB', 'GH200'],
    ['NVIDIA GB200', 'GB200'],
    ['NVIDIA A100-SXM4-80GB', 'A100 SXM4'],
    ['NVIDIA A100-PCIE-40GB', 'A100 PCIe'],
    ['NVIDIA A100 80GB PCIe', 'A100 PCIe'],
    ['Tesla V100-SXM2-16GB', 'V100 SXM2'],
    ['Tesla T4', 'T4'],
    ['NVIDIA L40S', 'L40S'],
    ['NVIDIA RTX A6000', 'RTX A6000'],
    ['NVIDIA RTX 6000 Ada Generation', 'RTX 6000 Ada'],
    ['Quadro RTX 8000', 'Quadro RTX 8000'],
    ['Graphics Device', 'Graphics Device'],
    ['', 'Unknown GPU'],
    ['[N/A]', 'Unknown GPU'],
    ['NVIDIA', 'Unknown GPU'],
  ])('%s → %s', (nvml, name) => expect(marketGpuName(nvml)).toBe(name));
});

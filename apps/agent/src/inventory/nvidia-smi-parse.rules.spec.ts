import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseComputeCaps, parseSmiFailure, parseSmiXml } from './nvidia-smi-parse.rules.js';
import { gpuXml, smiXml } from './smi-fixtures.js';

const report = (xml: string) => {
  const reading = parseSmiXml(xml);
  if (!reading.ok) throw new Error(reading.fault.message);
  return reading.report;
};
const faultKind = (xml: string) => {
  const reading = parseSmiXml(xml);
  return reading.ok ? 'report' : reading.fault.kind;
};

describe('parseSmiXml', () => {
  it('reads GPUs in the order of the driver', () => {
    const { gpus, driver_version, cuda_max_good } = report(
      smiXml([gpuXml({ uuid: 'GPU-a' }), gpuXml({ uuid: 'GPU-b', name: 'NVIDIA L4' })]),
    );
    expect({ driver_version, cuda_max_good }).toEqual({ driver_version: '580.82.07', cuda_max_good: 1300 });
    expect(gpus.map(({ gpu }) => [gpu.index, gpu.uuid, gpu.name])).toEqual([
      [0, 'GPU-a', 'RTX 4090'],
      [1, 'GPU-b', 'L4'],
    ]);
  });

  it('reads no GPU where there is none', () => {
    expect(report(smiXml([])).gpus).toEqual([]);
  });

  it.each(['N/A', '[N/A]', '[Not Supported]', 'Requested functionality has been deprecated', ''])('takes %j for no value', (nothing) => {
    const [only] = report(smiXml([gpuXml({ util: nothing, temp: nothing, power: nothing, serial: nothing, mig: nothing })])).gpus;
    expect(only?.sample).toMatchObject({ utilization: null, temp: null, power_w: null, state: 'ok' });
    expect(only?.gpu).toMatchObject({ serial: null, mig: false });
  });

  it('says lost when any vital value says so, and unknown when one cannot be read', () => {
    const states = report(
      smiXml([
        gpuXml({ uuid: 'GPU-a', temp: 'GPU is lost' }),
        gpuXml({ uuid: 'GPU-b', util: '[Unknown Error]' }),
        gpuXml({ uuid: 'GPU-c', total: 'N/A' }),
      ]),
    );
    expect(states.gpus.map(({ gpu }) => gpu.state)).toEqual(['lost', 'unknown', 'unknown']);
  });

  it('is not told a state by the names of processes', () => {
    const [only] = report(smiXml([gpuXml({ process: 'GPU is lost <b> & co' })])).gpus;
    expect(only?.gpu.state).toBe('ok');
  });

  it('counts a GPU without a readable UUID and offers the others', () => {
    const { gpus, unidentified } = report(smiXml([gpuXml({ uuid: 'GPU is lost' }), gpuXml({ uuid: 'GPU-b' })]));
    expect({ indices: gpus.map(({ gpu }) => gpu.index), unidentified }).toEqual({ indices: [1], unidentified: 1 });
  });

  it.each([
    ['nothing', ''],
    ['a cut-off report', smiXml([gpuXml({})]).slice(0, -40)],
    ['another document', '<?xml version="1.0"?><html></html>'],
    ['an external entity', smiXml([gpuXml({})]).replace('"nvsmi_device_v13.dtd">', '"x.dtd" [<!ENTITY f SYSTEM "file:///etc/passwd">]>')],
    ['an entity bomb', smiXml([gpuXml({})]).replace('"nvsmi_device_v13.dtd">', '"x.dtd" [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>')],
    ['one GPU twice', smiXml([gpuXml({ uuid: 'GPU-a' }), gpuXml({ uuid: 'GPU-a' })])],
    ['more GPUs than are attached', smiXml([gpuXml({ uuid: 'GPU-a' }), gpuXml({ uuid: 'GPU-b' })], 1)],
    ['reserved names', smiXml(['<gpu><__proto__><uuid>GPU-x</uuid></__proto__></gpu>'])],
  ])('refuses %s', (_, xml) => expect(faultKind(xml)).toBe('unreadable'));

  it('never throws, whatever it is given', () => {
    const whole = smiXml([gpuXml({})]);
    fc.assert(
      fc.property(
        fc.nat(whole.length),
        fc.nat(60),
        fc.oneof(fc.string(), fc.constantFrom('<gpu>', '</gpu>', 'N/A', '<!--', ']]>', '&#0;', '<![CDATA[')),
        (at, length, junk) => {
          const reading = parseSmiXml(whole.slice(0, at) + junk + whole.slice(at + length));
          expect(typeof reading.ok).toBe('boolean');
        },
      ),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        (garbage) => !parseSmiXml(garbage).ok && !parseSmiXml(`<nvidia_smi_log>${garbage}`).ok,
      ),
    );
  });
});

describe('parseSmiFailure', () => {
  it.each([
    [9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure…", 'driver_down'],
    [18, 'Failed to initialize NVML: Driver/library version mismatch', 'driver_down'],
    [15, 'Unable to determine the device handle for GPU0000:0B:00.0: GPU is lost. Reboot the system', 'failed'],
    [null, '', 'failed'],
  ])('exit %s is a fault', (code, output, kind) => {
    const reading = parseSmiFailure(code, output);
    expect(reading.ok ? 'report' : reading.fault.kind).toBe(kind);
  });

  it('takes "no devices" for a machine without GPUs', () => {
    expect(parseSmiFailure(6, 'No devices were found\n')).toMatchObject({ ok: true, report: { gpus: [] } });
  });
});

describe('parseComputeCaps', () => {
  it('reads ×100 by UUID and leaves out the rest', () => {
    const caps = parseComputeCaps('GPU-a, 8.9\nGPU-b, 12.0\nGPU-c, [N/A]\nField "compute_cap" is not a valid field\n');
    expect([...caps]).toEqual([
      ['GPU-a', 890],
      ['GPU-b', 1200],
    ]);
  });
});

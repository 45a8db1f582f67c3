/** Vendor and filler words that people leave out when they name a card. */
const FILLER = /\b(NVIDIA|GeForce|Tesla|Generation|GPU)\b/gi;
/** Memory size and kind: `gpu_ram_mb` says it exactly, and two sizes of one chip are one name. */
const MEMORY = /\b\d+\s?GB\b|\bHBM\d\w*\b/gi;
/** NVML hides the form factor of these behind the memory kind; everything else that is not SXM says so itself. */
const FORM_FACTOR_BY_MEMORY: readonly { when: RegExp; form: string }[] = [
  { when: /\bH[18]00\b.*\bHBM3\b/i, form: 'SXM' },
  { when: /\bH[18]00\b.*\bHBM2e\b/i, form: 'PCIe' },
];
const SAYS_FORM = /\b(SXM\d?|PCIe|NVL\d*)\b/i;
export const UNNAMED_GPU = 'Unknown GPU';

/**
 * The marketplace name of a GPU from the name NVML gives it:
 * `NVIDIA GeForce RTX 4090` → `RTX 4090`, `NVIDIA H100 80GB HBM3` → `H100 SXM`, `NVIDIA A100-SXM4-80GB` → `A100 SXM4`,
 * `Tesla T4` → `T4`. Vendor words and memory sizes go, dashes become spaces, the form factor stays.
 * A text without a name in it gives `Unknown GPU`.
 */
export function marketGpuName(nvmlName: string): string {
  const words = nvmlName
    .replace(/[^\x20-\x7e]/g, ' ')
    .replace(/-/g, ' ')
    .replace(MEMORY, ' ')
    .replace(FILLER, ' ')
    .replace(/\bPCI\s?E\b/gi, 'PCIe')
    .replace(/\s+/g, ' ')
    .trim();
  if (words === '' || /^\[?N\/A\]?$/i.test(words)) return UNNAMED_GPU;
  return withFormFactor(words, nvmlName).slice(0, 100);
}

function withFormFactor(name: string, nvmlName: string): string {
  if (SAYS_FORM.test(name)) return name;
  const hidden = FORM_FACTOR_BY_MEMORY.find(({ when }) => when.test(nvmlName));
  return hidden ? `${name} ${hidden.form}` : name;
}

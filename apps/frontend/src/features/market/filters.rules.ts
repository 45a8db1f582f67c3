import type { RequestOf } from '@/lib/query-key';

/** What a person narrows the market by. Strings as typed; empty = any. The address of the page holds it. */
export interface Filters {
  /** '' any, 'none' without, else a model. */
  gpu: string;
  gpus: string;
  cpu: string;
  ram: string;
  price: string;
  reliability: string;
}

export const NO_FILTERS: Filters = { gpu: '', gpus: '', cpu: '', ram: '', price: '', reliability: '' };
const NAMES = Object.keys(NO_FILTERS) as (keyof Filters)[];

/** Whole numbers of at most six digits; GiB may have one decimal. */
const FORMS: Record<keyof Filters, RegExp> = {
  gpu: /^[\w .+-]{1,100}$/,
  gpus: /^\d{1,2}$/,
  cpu: /^[1-9]\d{0,3}$/,
  ram: /^\d{1,5}(\.\d)?$/,
  price: /^\d{1,5}(\.\d{1,6})?$/,
  reliability: /^(0(\.\d{1,4})?|1)$/,
};

/** What the address says; what it says wrongly is left out. */
export function readFilters(params: URLSearchParams): Filters {
  return Object.fromEntries(NAMES.map((name) => [name, FORMS[name].test(params.get(name) ?? '') ? (params.get(name) ?? '') : ''])) as unknown as Filters;
}

export const isValid = (name: keyof Filters, value: string): boolean => value === '' || FORMS[name].test(value);

/** Without what is no value. */
export function cleaned(filters: Filters): Filters {
  const kept = { ...NO_FILTERS };
  for (const name of NAMES) if (isValid(name, filters[name].trim())) kept[name] = filters[name].trim();
  return kept;
}

/** The query part of the page's address, in one fixed order. */
export function writeFilters(filters: Filters): string {
  const params = new URLSearchParams();
  for (const name of NAMES) if (filters[name] !== '') params.set(name, filters[name]);
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

export const PAGE = 200;

export function searchOf(filters: Filters, cursor?: string): RequestOf<'searchOffers'> {
  const { gpu, gpus, cpu, ram, price, reliability } = filters;
  return {
    query: {
      limit: PAGE,
      ...(gpu !== '' && gpu !== 'none' && { gpu }),
      ...(gpu === 'none' ? { num_gpus: 0 } : gpus !== '' && { num_gpus: Number(gpus) }),
      ...(cpu !== '' && { min_cpu_cores: Number(cpu) }),
      ...(ram !== '' && { min_ram_mb: Math.round(Number(ram) * 1024) }),
      ...(price !== '' && { max_price: price }),
      ...(reliability !== '' && { min_reliability: Number(reliability) }),
      ...(cursor !== undefined && { cursor }),
    },
  };
}

/** The filters in the words of the search language: the chips above the table. */
export function chipsOf(filters: Filters): { name: keyof Filters; text: string }[] {
  const texts: Record<keyof Filters, (value: string) => string> = {
    gpu: (value) => (value === 'none' ? 'num_gpus=0' : `gpu_name=${value.replaceAll(' ', '_')}`),
    gpus: (value) => `num_gpus=${value}`,
    cpu: (value) => `cpu_cores>=${value}`,
    ram: (value) => `cpu_ram>=${value}`,
    price: (value) => `dph_total<=${value}`,
    reliability: (value) => `reliability>=${value}`,
  };
  return NAMES.filter((name) => filters[name] !== '').map((name) => ({ name, text: texts[name](filters[name]) }));
}

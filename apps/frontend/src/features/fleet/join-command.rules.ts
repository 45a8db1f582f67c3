interface Joining {
  marketUrl: string;
  key: string;
  name: string;
  country: string;
}

const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** What a person pastes on the machine. The script asks for root by itself and takes these variables along. */
export function joinCommand({ marketUrl, key, name, country }: Joining): string {
  const options = [...(name.trim() === '' ? [] : ['--name', quoted(name.trim())]), ...(/^[A-Za-z]{2}$/.test(country) ? ['--geolocation', country.toUpperCase()] : [])];
  return [`MUSTER_URL=${quoted(marketUrl)} MUSTER_HOST_API_KEY=${key} ./muster node join`, ...options].join(' ');
}

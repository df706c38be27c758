/**
 * Which URLs the worker may fetch for a client: https on the default port to a public host name.
 *
 * A host name can still resolve to a private address; on Cloudflare `global_fetch_strictly_public` closes that door, and
 * a self-hosted workerd needs an egress rule for it.
 */

const PRIVATE_SUFFIXES = [
  'localhost',
  'localdomain',
  'local',
  'internal',
  'intranet',
  'lan',
  'home.arpa',
  'corp',
  'private',
  'test',
  'invalid',
  'onion',
  // Names that resolve to whatever address they spell.
  'nip.io',
  'sslip.io',
  'xip.io',
  'localtest.me',
  'lvh.me',
];

export function parsePublicUrl(text: string, base?: URL): URL | null {
  return URL.canParse(text, base?.href) ? new URL(text, base?.href) : null;
}

/**
 * Why a URL must not be fetched, or null where it may.
 *
 * @param ownHost name under which this worker is reached, where it is known: it does not call itself for a client.
 */
export function denyReason(url: URL, ownHost: string | null = null): string | null {
  if (url.protocol !== 'https:') {
    return `the scheme ${url.protocol.slice(0, 16)} is not https:`;
  }
  if (url.username !== '' || url.password !== '') {
    return 'it holds a user name or password';
  }
  if (url.port !== '') {
    return 'it names a port';
  }
  // The URL parser has already turned decimal, octal and hex forms into dotted quads.
  const host = withoutFinalDot(url.hostname);
  if (host.startsWith('[') || /^[\d.]+$/.test(host)) {
    return 'its host is an IP address';
  }
  const labels = host.split('.');
  // An empty label is in no name; some resolvers drop it, and then the suffix is another.
  if (
    labels.length < 2 ||
    labels.includes('') ||
    PRIVATE_SUFFIXES.some((suffix) => host === suffix || host.endsWith(`.${suffix}`))
  ) {
    return 'its host is not a public name';
  }
  if (ownHost !== null && host === withoutFinalDot(ownHost.toLowerCase())) {
    return 'its host is this worker';
  }
  return null;
}

/** `example.com.` is the same host, and a client may call the worker by that name too. */
function withoutFinalDot(host: string): string {
  return host.replace(/\.$/, '');
}

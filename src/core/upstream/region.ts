/** Where a request came in, in Cloudflare's names (`request.cf`); null where nobody says, as in a self-hosted worker. */
export interface Place {
  /** Data centre by its airport, e.g. `FRA`. */
  colo: string | null;
  /** ISO 3166-1, two letters. */
  country: string | null;
  /** `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`; some are countries too, hence the three lists of {@link Near}. */
  continent: string | null;
}

/** Whose requests an upstream is near to. Three empty lists: everybody's alike. */
export interface Near {
  colos: readonly string[];
  countries: readonly string[];
  continents: readonly string[];
}

/** Nowhere in particular. */
export const ANYWHERE: Near = { colos: [], countries: [], continents: [] };

/**
 * How far an upstream is from a request: 0 same data centre, 1 same country, 2 same continent, 3 unknown, 4 elsewhere.
 * An upstream that names no region, and any upstream for a request from nowhere, is 3.
 */
export function distance({ colos, countries, continents }: Near, { colo, country, continent }: Place): number {
  if (colo !== null && colos.includes(colo)) {
    return 0;
  }
  if (country !== null && countries.includes(country)) {
    return 1;
  }
  if (continent !== null && continents.includes(continent)) {
    return 2;
  }
  const saysNothing = colos.length + countries.length + continents.length === 0;
  const fromNowhere = colo === null && country === null && continent === null;
  return saysNothing || fromNowhere ? 3 : 4;
}

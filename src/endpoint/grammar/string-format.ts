/**
 * The values of `format` that OpenAI's strict schemas know, as patterns. Each holds for every validator: a subset where
 * the standards are vague (no e-mail addresses with comments, no leap seconds).
 */

const YEAR = '\\d{4}';
const LEAP_YEAR = '(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)';
const DATE =
  `(?:${YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))` +
  `|${LEAP_YEAR}-02-29)`;
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)';
const CLOCK = '(?:\\d{1,9}H(?:\\d{1,9}M(?:\\d{1,9}S)?)?|\\d{1,9}M(?:\\d{1,9}S)?|\\d{1,9}S)';
const CALENDAR = '(?:\\d{1,9}Y(?:\\d{1,9}M(?:\\d{1,9}D)?)?|\\d{1,9}M(?:\\d{1,9}D)?|\\d{1,9}D)';
/** Four of them stay under the 253 characters of a name. */
const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,46}[a-zA-Z0-9])?';
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const GROUP = '[0-9a-fA-F]{1,4}';
const MAIL_WORD = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,32}";

/** With `::` for two groups or more: up to six groups in all around it. */
const SHORT_IPV6 = Array.from({ length: 7 }, (_, before) =>
  Array.from({ length: 7 - before }, (_unused, after) => `${groups(before)}::${groups(after)}`),
).flat();

export const STRING_FORMATS: ReadonlyMap<string, string> = new Map([
  ['date', `^${DATE}$`],
  ['time', `^${TIME}$`],
  ['date-time', `^${DATE}T${TIME}$`],
  ['duration', `^P(?:${CALENDAR}(?:T${CLOCK})?|T${CLOCK}|\\d{1,9}W)$`],
  ['email', `^${MAIL_WORD}(?:\\.${MAIL_WORD}){0,3}@${LABEL}(?:\\.${LABEL}){1,3}$`],
  ['hostname', `^${LABEL}(?:\\.${LABEL}){0,3}$`],
  ['ipv4', `^${OCTET}(?:\\.${OCTET}){3}$`],
  ['ipv6', `^(?:${[`${GROUP}(?::${GROUP}){7}`, ...SHORT_IPV6].join('|')})$`],
  ['uuid', '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'],
]);

function groups(count: number): string {
  return count === 0 ? '' : `${GROUP}(?::${GROUP}){${count - 1}}`;
}

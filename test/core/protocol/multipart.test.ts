import { describe, expect, it } from 'vitest';
import { MULTIPART_HEADER_MAX_BYTES, MULTIPART_PARTS_MAX } from '../../../src/core/limits.ts';
import { parseMultipart } from '../../../src/core/protocol/multipart.ts';

/** Bytes of a form as the platform writes it. */
async function written(form: FormData): Promise<{ bytes: Uint8Array<ArrayBuffer>; contentType: string }> {
  const request = new Request('http://form.test', { method: 'POST', body: form });
  const contentType = request.headers.get('content-type') ?? '';
  return { bytes: new Uint8Array(await request.arrayBuffer()), contentType };
}

const form = (text: string, boundary = 'b') =>
  parseMultipart(Uint8Array.from(new TextEncoder().encode(text)), `multipart/form-data; boundary=${boundary}`);

const head = 'Content-Disposition: form-data; name="a"';

describe('parseMultipart', () => {
  it('reads what the platform writes: names, texts and files of any bytes', async () => {
    const nasty = new TextEncoder().encode('\r\n--\r\n\r\n------boundary\r\n--');
    const file = Uint8Array.from({ length: 70_000 }, (_, i) => (i < nasty.length ? (nasty[i] ?? 0) : (i * 7919) >>> 3));
    const data = new FormData();
    data.append('question', 'What is é?\r\nIs it\n"this"?');
    data.append('image', new File([file], 'a "picture".png', { type: 'image/png' }));
    data.append('empty', '');
    data.append('empty file', new File([], 'x'));
    const { bytes, contentType } = await written(data);
    const parts = parseMultipart(bytes, contentType);
    expect(parts.map(({ name, filename }) => [name, filename === null])).toEqual([
      ['question', true],
      ['image', false],
      ['empty', true],
      ['empty file', false],
    ]);
    // Forms carry line breaks as CRLF (WHATWG HTML, multipart/form-data encoding).
    expect(new TextDecoder().decode(parts[0]?.data)).toBe('What is é?\r\nIs it\r\n"this"?');
    expect(parts[1]?.data).toEqual(file);
    expect(parts[2]?.data.length).toBe(0);
    expect(parts[3]?.data.length).toBe(0);
    // In place: no copy of a 20 MB picture.
    expect(parts[1]?.data.buffer).toBe(bytes.buffer);
  });

  it('reads preamble, padding, quoted boundaries and an epilogue, as RFC 2046 has them', () => {
    const text = `preamble\r\n--b c \t\r\n${head}\r\n\r\nx\r\n--b c--\r\nepilogue`;
    expect(form(text, '"b c"; charset=utf-8')).toMatchObject([{ name: 'a', filename: null }]);
    expect(form('--b--')).toEqual([]);
  });

  it.each([
    ['no boundary in the header', () => parseMultipart(new Uint8Array(0), 'multipart/form-data')],
    ['no boundary in the body', () => form(`${head}\r\n\r\nx`)],
    ['an empty body', () => form('')],
    ['no last boundary', () => form(`--b\r\n${head}\r\n\r\nx`)],
    ['no last boundary after one part', () => form(`--b\r\n${head}\r\n\r\nx\r\n--b\r\n`)],
    ['a boundary that goes on', () => form(`--bb\r\n${head}\r\n\r\nx\r\n--bb--`)],
    ['no name', () => form('--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--')],
    ['no header', () => form('--b\r\nx\r\n--b--')],
    [
      'a header without end',
      () => form(`--b\r\n${head}; x="${'y'.repeat(MULTIPART_HEADER_MAX_BYTES)}"\r\n\r\n\r\n--b--`),
    ],
    ['a transfer encoding', () => form(`--b\r\n${head}\r\nContent-Transfer-Encoding: base64\r\n\r\nAA==\r\n--b--`)],
    ['too many parts', () => form(`${`--b\r\n${head}\r\n\r\nx\r\n`.repeat(MULTIPART_PARTS_MAX + 1)}--b--`)],
  ])('refuses %s', (_, run) => {
    expect(run).toThrow(/^The form /);
  });
});

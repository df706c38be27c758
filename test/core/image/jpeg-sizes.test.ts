import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { createJpegCodec, type OpenJpeg } from '../../../src/core/image/jpeg-codec.ts';
import { jpegSegments } from '../../../src/core/image/jpeg-segments.ts';
import { createDecoderHeap } from '../../../src/core/image/row-codec.ts';
import { sniffImage } from '../../../src/core/image/sniff.ts';
import { jpegModule } from '../../support/jpeg-module.ts';
import { readGoldenImage } from './goldens.ts';
import { PARAM } from './refusal.ts';

/**
 * sha256 of all pixels, by Pillow 13.0.0: test/fixtures/parity/jpeg_sizes.py prints this table. A file's header is made to say
 * widths from 1 to 40 and heights from 40 to 1, then its own; where coarse, also 255 for every step of quantization, so that
 * numbers overflow.
 */
const table = [
  ['jpeg-420', false, 8, 'ea1bca6b588ecf7244f0df818b8effce5378fe2e49567d320e1ec699b7b675c7'],
  ['jpeg-420', false, 4, '705f9e345e4c69ce4333e3897378a3b83afaf45ecd2f05987b41111a18b700c3'],
  ['jpeg-420', false, 2, '6e8ba1e535261561b0b41bb79dbf9031debb557b3ea815ca1ede3fc12ba40bcf'],
  ['jpeg-420', false, 1, '7fce74c517d2d93f87344f103cf742d9a212c276d906c380aaa61074a0eba0ea'],
  ['jpeg-420', true, 8, '24fc2594c8b741b99a0e7b8b9ec9feeaa58079041a3a65c6e2837cedc4580374'],
  ['jpeg-420', true, 4, '40d0ed31736c6d7499948bc361326e195d93da58f26c910533bd85e24a749bbe'],
  ['jpeg-420', true, 2, '44520e659a8efdb6d984d61c225197e7a213d4fa0ebf7472d5a035fd973406ee'],
  ['jpeg-420', true, 1, '7a8d0fc005b7af481ec987fdfb924dd5e02b3f0e7af08e29e8b75bf3307ecc37'],
  ['jpeg-422', false, 8, '2d87e5d05d75ccec2e0b38852a594e53525379dd4192436ea0e2ae2f01296237'],
  ['jpeg-422', false, 4, '87ee77e1e31e710d123c471822cdd6665ba3251f0a6421b4acca488859703bc9'],
  ['jpeg-422', false, 2, '5b111ffaefb8b485a1af2f0125b9fde5e1404a8aa36a170e46bcd5ee330c7e4a'],
  ['jpeg-422', false, 1, '1762259661dc753f6e075a56af3c74eaf30bf29247642279260cf0f2f5a0502e'],
  ['jpeg-422', true, 8, '2356d2ec003272474e6a91cb99ef028a792d458e7c10effe92535cf823583624'],
  ['jpeg-422', true, 4, 'c0ea4c9ad7512beb7a10a2b44aa035fba542e32e30a958f1497bfc60efeee132'],
  ['jpeg-422', true, 2, '176c6bf4d98c124b7b10977c25674ecb376e90534b60bf5442179cf52cd871fa'],
  ['jpeg-422', true, 1, 'f52a3ef9a1c4bf1f66a57ed535367462af8d567ebb79ae2e2ef2f65f007b2627'],
  ['jpeg-444', false, 8, '99fe8ed9ee61d8f4e55c402aeff8281581c5769d615b7c8ae4fb95a25059b9f6'],
  ['jpeg-444', false, 4, 'ffb20b3390a0153c2b7efbb70492853b1546001abdb94baae7164d8789a9c923'],
  ['jpeg-444', false, 2, '8bbc07cb487b23b70439cfd775d8134a1b73cb110c9b876f2cc26ab956155268'],
  ['jpeg-444', false, 1, '216abe4296d5de951b46576a9754a763a188238c2bf441e87ea151b0bd93dcc0'],
  ['jpeg-444', true, 8, 'ad781a4510cab3215430221b5a85ae6700f94b8328576aaa8411c9f3bfb464a4'],
  ['jpeg-444', true, 4, '6e2686032e9dd630ffe65ad006cfb80a0e7de304eb3210446ff08c01080376bf'],
  ['jpeg-444', true, 2, '3f389ed5fa899bfbd937b01c0ac18d830191cb7193155e8b875eff5707b7e888'],
  ['jpeg-444', true, 1, '099393bf220caa49ffe0a8d22fe3dcff95147c09aee2d1fe05d134e6ea380475'],
  ['jpeg-grey', false, 8, '28db412393dfaa73efcdcfe263331e6be0b68f4e0e73d6d6f1f66f359338a7d8'],
  ['jpeg-grey', false, 4, 'ddaba34d05ba41c08755ecc322df888e445022a9610bc264b3a3f7d3a2d78811'],
  ['jpeg-grey', false, 2, '1790b8d09678697c5500e506860498611ccac77a9a91792d385627d140e3fa05'],
  ['jpeg-grey', false, 1, '4cf930822e6d9d843c51430694059f05a8e3419ba8be5200283a78dc968d8d0a'],
  ['jpeg-grey', true, 8, '1e737f82ec0109d2c6e8d8f78041ad4515725ce060db99cf7d15dcd4f1a21cfa'],
  ['jpeg-grey', true, 4, '9a4d4b08352be641d6c361773c1a17191819e75185689586c5fce45984af2372'],
  ['jpeg-grey', true, 2, 'd3c3846130e7543f5c4555a9d3c2430ddeebf1c03077c676823102a202b79464'],
  ['jpeg-grey', true, 1, '8684e918c7e8ef6e2b99d71eb29c3da2bf8c43d683b35ddd5f6ffb88c09d2290'],
  ['jpeg-cmyk', false, 8, '40f3ce9651cdb6ab7d91683b0634198e1c8c8fcdab9843d5ae0d4a13fcd38673'],
  ['jpeg-cmyk', false, 4, '52ea5cfd9677602055523278515938f21830f13e3582c29cafd55caa5bbd3a03'],
  ['jpeg-cmyk', false, 2, '8949f31ea0d12d0fef0a7821c20ac8fb0974572ec599def2f4ae9b986fdaf0ae'],
  ['jpeg-cmyk', false, 1, 'ba1dae288e626f7b529e56b3e9321b66b00d12318dbbab53cd95068abcfcf369'],
  ['jpeg-cmyk', true, 8, '3072deabaa3352d20d7a526e7acb1f149e1800792841d9be7830df544c269fdb'],
  ['jpeg-cmyk', true, 4, '143982344b80ece56453478ed0fa96282d768fc18b504d7d3fe6116c30c57f9c'],
  ['jpeg-cmyk', true, 2, '1e687b4353d562c67844b0cf43e56a692af334f0a1c8965761cc1225bb786f71'],
  ['jpeg-cmyk', true, 1, '98dab977a35bca3d7d9bf351f9a2bc8696aa82a9ecaa346a7440d5f51c9987a8'],
  ['jpeg-progressive', false, 8, '7db5bfe053983e440dadef47be7e84bcb55026c02dfff73087bf5efe645f36c5'],
  ['jpeg-progressive', false, 4, '0079da0223047103196282957e3a846607c3cfd0ddc8dcd9acba9e86fa2d17b8'],
  ['jpeg-progressive', false, 2, 'db1eb8090ffd0351686f8e2d46f42ca62232ea8b19da4081ab1e6fcbc58a2629'],
  ['jpeg-progressive', false, 1, '7fce74c517d2d93f87344f103cf742d9a212c276d906c380aaa61074a0eba0ea'],
  ['jpeg-progressive', true, 8, '52621deadc41320ff28217e3b6ba40d513866d34440613e0183cd119cd0abb6f'],
  ['jpeg-progressive', true, 4, '40d0ed31736c6d7499948bc361326e195d93da58f26c910533bd85e24a749bbe'],
  ['jpeg-progressive', true, 2, '44520e659a8efdb6d984d61c225197e7a213d4fa0ebf7472d5a035fd973406ee'],
  ['jpeg-progressive', true, 1, '7a8d0fc005b7af481ec987fdfb924dd5e02b3f0e7af08e29e8b75bf3307ecc37'],
  ['exif-1-jpeg', false, 8, '5d2940453b0c74c92dfe366a4568f94dc7576d3824a7b83f7ce3c8684f08ffb8'],
  ['exif-1-jpeg', false, 4, '9869e557248909368e0148bedc5cec9091c2dfef72144b6e50ef2e02c0996715'],
  ['exif-1-jpeg', false, 2, '082d45da36a0d3642212e97cfc9a8d25593252457cbf91d68f45c350a7b16610'],
  ['exif-1-jpeg', false, 1, '72c64ca1bc6270229c7d38bbd59c156f1699ce4c75a5c229acf373fb5c6075f2'],
  ['exif-1-jpeg', true, 8, 'c6a8fb74d9824e0a959ab660b7deedb8fb2a54a63b4c7185d3423fd2d3841284'],
  ['exif-1-jpeg', true, 4, '4f60316258701a7c1554e38c7b17812ca5144135b74ceed16ea3439364b622a0'],
  ['exif-1-jpeg', true, 2, '40ea36a8af7952b0b200b3e414efe10ba886f2cef5b1e03b0d9ad954413f1e4e'],
  ['exif-1-jpeg', true, 1, 'cc7cd0de2bd6e80255b33b3a90a4047a92822f3730b236a23b53876e63dbfda5'],
] as const;

let openJpeg: OpenJpeg;
beforeAll(async () => {
  openJpeg = createJpegCodec(await jpegModule(), createDecoderHeap());
});

const DQT = 0xdb;
const SOF = [0xc0, 0xc1, 0xc2];
/** A byte that names the table, and its steps. */
const TABLE_BYTES = 65;

function changed(jpeg: Uint8Array, width: number, height: number, isCoarse: boolean): Uint8Array {
  const file = Uint8Array.from(jpeg);
  for (const { marker, start, end } of jpegSegments(jpeg)) {
    if (SOF.includes(marker)) {
      const view = new DataView(file.buffer, start);
      view.setUint16(1, height);
      view.setUint16(3, width);
    }
    if (marker === DQT && isCoarse) {
      for (let at = start; at < end; at += TABLE_BYTES) {
        file.fill(255, at + 1, at + TABLE_BYTES);
      }
    }
  }
  return file;
}

describe('a JPEG of every small size, beside Pillow', () => {
  it.each(table)('%s, coarse: %s, at %i/8', async (name, isCoarse, eighths, sha256) => {
    const hash = createHash('sha256');
    const file = readGoldenImage(`images/${name}.jpg`);
    const { width, height } = sniffImage(file, PARAM);
    const small = Array.from({ length: 40 }, (_, i) => ({ width: i + 1, height: 40 - i }));
    for (const size of [...small, { width, height }]) {
      const jpeg = changed(file, size.width, size.height, isCoarse);
      await openJpeg(jpeg, size, eighths, PARAM).read((row) => hash.update(row));
    }
    expect(hash.digest('hex')).toBe(sha256);
  });
});

import { WIRE_FORMS, type WireForm } from './capability.ts';

/** Tells a client how its images went to the model server. */
export const WIRE_HEADER = 'x-vora-wire';

export interface WireReport {
  wire: WireForm;
  images: number;
  /** Of them, those that the server held from an earlier request: not a byte of them was sent. */
  held: number;
  /** Of them, those whose embeddings or pixels were kept from an earlier request. */
  cached: number;
  /** Base64 that was sent for all of them. */
  bytes: number;
  /** Why this form. */
  why: string;
  /** What `detail: "high"` came to; null where nobody asked for it. */
  high: string | null;
}

/** `image_embeds;images=1;held=0;cached=0;bytes=44100;why="its only form"`: an item with parameters of RFC 9651. */
export function writeWireReport({ wire, images, held, cached, bytes, why, high }: WireReport): string {
  const detail = high === null ? '' : `;high="${high}"`;
  return `${wire};images=${images};held=${held};cached=${cached};bytes=${bytes};why="${why}"${detail}`;
}

/** The form alone, which a page may want to show; null for anything else. */
export function wireOfReport(header: string | null): WireForm | null {
  const form = header?.split(';')[0];
  return WIRE_FORMS.find((one) => one === form) ?? null;
}

import * as z from 'zod';
import { VIDEO_FRAMES_MAX } from '../limits.ts';

/** A video as its frames, one a second: URLs of images, each with its path below the part. */
export interface Video {
  type: 'video';
  frames: { url: string; field: string }[];
}

const SEND_FRAMES = `no video file is taken; send up to ${VIDEO_FRAMES_MAX} frames as images: {"type":"video","video":[URL, …]}`;

/** Qwen's form: a list of images. */
const videoPart = z
  .strictObject({
    type: z.literal('video'),
    video: z
      .array(z.string().min(1), { error: SEND_FRAMES })
      .min(1)
      .max(VIDEO_FRAMES_MAX)
      .describe('Frames, one a second, each a data: URL in base64 or an https: URL of an image'),
  })
  .transform(({ type, video }): Video => ({
    type,
    frames: video.map((url, index) => ({ url, field: `video[${index}]` })),
  }));

/** vLLM's form: JPEGs in one data URL, their base64 texts with commas between. */
const videoUrlPart = z
  .strictObject({
    type: z.literal('video_url'),
    video_url: z.strictObject({
      url: z
        .string()
        .regex(/^data:video\/jpeg;base64,/i, SEND_FRAMES)
        .transform((url) => url.split(',', VIDEO_FRAMES_MAX + 2).slice(1))
        .refine((frames) => frames.length <= VIDEO_FRAMES_MAX, `at most ${VIDEO_FRAMES_MAX} frames`),
    }),
  })
  .transform(({ video_url: { url: frames } }): Video => ({
    type: 'video',
    frames: frames.map((base64) => ({ url: `data:image/jpeg;base64,${base64}`, field: 'video_url.url' })),
  }));

export const videoParts = [videoPart, videoUrlPart] as const;

/** Where an image of a request may come from, for the description of the API. */
export const IMAGE_SOURCE =
  "A data: URL in base64, an https: URL, or r2:KEY of a tenant's upload; JPEG, PNG, WebP, AVIF or GIF";

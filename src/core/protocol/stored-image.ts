/** Code of the refusal of a part that stands for an image which a model server does not hold, or no longer. */
export const IMAGE_NOT_STORED = 'image_not_stored';

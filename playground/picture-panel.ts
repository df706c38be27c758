import { element } from './dom.ts';
import { drawRgb, type ModelView, readModelInput, viewAsModel, type VisionFacts } from './model-view.ts';
import type { Picture } from './picture.ts';
import { wireSizes, type WireSizes } from './wire-sizes.ts';

/** Pixels of the model's input below which they are shown as squares. */
const SMALL_PICTURE_PX = 256;

export interface PicturePanel {
  show(picture: Picture | null): Promise<void>;
  /** Bytes of the shown picture in each wire form; null where the page cannot know. */
  sizes(): WireSizes | null;
}

/**
 * The picture as the model sees it, and as it was given.
 *
 * @param viewUrl what the worker makes of a picture behind a URL: the page loads nothing from elsewhere.
 */
export function createPicturePanel(
  vision: Promise<VisionFacts | null>,
  viewUrl: (url: string) => Promise<Blob>,
): PicturePanel {
  const empty = element('empty', HTMLElement);
  const modelView = element('model-view', HTMLElement);
  const canvas = element('canvas', HTMLCanvasElement);
  const grid = element('grid', HTMLElement);
  const original = element('original', HTMLImageElement);
  const views = element('views', HTMLElement);
  const choice = element('view-choice', HTMLElement);
  const showGrid = element('show-grid', HTMLInputElement);
  const caption = element('caption', HTMLElement);

  let shown: Picture | null = null;
  let view: ModelView | null = null;
  let sizes: WireSizes | null = null;

  function arrange(): void {
    const asModel = document.querySelector('input[name=view]:checked')?.getAttribute('value') === 'model';
    const asGiven = shown !== null && shown.kind !== 'url';
    modelView.hidden = view === null || (asGiven && !asModel);
    original.hidden = !asGiven || !modelView.hidden;
    empty.hidden = !modelView.hidden || !original.hidden;
    views.hidden = view === null;
    choice.hidden = !asGiven;
    grid.hidden = !showGrid.checked;
    caption.hidden = shown === null;
  }

  function showView({ input, rows, columns }: ModelView): void {
    drawRgb(input, canvas);
    canvas.classList.toggle('small-picture', input.width < SMALL_PICTURE_PX);
    modelView.style.setProperty('width', `${Math.min(1, input.width / input.height) * 100}%`);
    grid.style.setProperty('--columns', String(columns));
    grid.style.setProperty('--rows', String(rows));
  }

  async function look(picture: Picture, facts: VisionFacts): Promise<void> {
    const bytes = picture.kind === 'url' ? null : picture.blob.size;
    const found =
      picture.kind === 'url'
        ? await readModelInput(await viewUrl(picture.url), facts)
        : await viewAsModel(picture.blob, facts);
    const tokens = found.rows * found.columns;
    const foundSizes = await wireSizes(bytes, found.input, { tokens, hiddenSize: facts.hiddenSize });
    if (shown === picture) {
      [view, sizes] = [found, foundSizes];
      showView(found);
      caption.textContent = describe(found);
    }
  }

  views.addEventListener('change', arrange);
  return {
    async show(picture) {
      [shown, view, sizes] = [picture, null, null];
      URL.revokeObjectURL(original.src);
      original.removeAttribute('src');
      if (picture?.kind === 'url') {
        caption.textContent = 'The worker fetches this picture; the page loads nothing from elsewhere.';
      } else if (picture !== null) {
        original.src = URL.createObjectURL(picture.blob);
        caption.textContent = picture.name;
      }
      arrange();
      const facts = await vision;
      if (picture === null || facts === null) {
        return;
      }
      try {
        await look(picture, facts);
      } catch (error) {
        if (shown === picture) {
          caption.textContent = `No view of it: ${error instanceof Error ? error.message : 'no reason given'}`;
        }
      }
      arrange();
    },
    sizes: () => sizes,
  };
}

function describe({ input, given, rows, columns, caveat }: ModelView): string {
  const size = `${input.width} × ${input.height}`;
  return [
    given === null ? `${size} px:` : `${given.width} × ${given.height} px become ${size}:`,
    `${columns} × ${rows} patches, ${rows * columns} tokens.`,
    caveat ?? '',
  ]
    .join(' ')
    .trimEnd();
}

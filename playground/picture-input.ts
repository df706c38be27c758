import { element } from './dom.ts';
import type { Picture } from './picture.ts';

export interface PictureInput {
  /** A picture was dropped, pasted, chosen or pointed at; null: its URL was taken back. */
  onPicture: (picture: Picture | null) => void;
  /** A sample was clicked, which comes with its question. */
  onSample: (picture: Picture, question: string) => void;
}

/** All the ways by which a picture comes in. The whole page takes what is dropped or pasted. */
export function listenForPictures({ onPicture, onSample }: PictureInput): void {
  const stage = element('stage', HTMLElement);
  const fileField = element('file', HTMLInputElement);
  const urlField = element('url', HTMLInputElement);

  function take(file: File, unsaved: boolean): void {
    urlField.value = '';
    onPicture({ kind: 'file', blob: file, name: unsaved ? pastedName(file) : file.name, unsaved });
  }

  function takeUrl(url: string): void {
    urlField.value = url;
    onPicture(url === '' ? null : { kind: 'url', url });
  }

  fileField.addEventListener('change', () => {
    const file = fileField.files?.[0];
    if (file !== undefined) {
      take(file, false);
    }
    // The same file may be chosen again.
    fileField.value = '';
  });

  urlField.addEventListener('change', () => takeUrl(urlField.value.trim()));

  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    stage.classList.add('over');
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) {
      stage.classList.remove('over');
    }
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    stage.classList.remove('over');
    const file = event.dataTransfer?.files[0];
    const url = event.dataTransfer?.getData('text/uri-list') ?? '';
    if (file !== undefined) {
      take(file, false);
    } else if (url.startsWith('https:')) {
      takeUrl(url);
    }
  });

  document.addEventListener('paste', (event) => {
    const file = event.clipboardData?.files[0];
    if (file !== undefined) {
      event.preventDefault();
      take(file, true);
      return;
    }
    const text = event.clipboardData?.getData('text/plain').trim() ?? '';
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
    if (!typing && text.startsWith('https:')) {
      takeUrl(text);
    }
  });

  async function takeSample(name: string, question: string): Promise<void> {
    const href = new URL(`/playground/${name}`, location.href).href;
    const blob = await (await fetch(href)).blob();
    urlField.value = '';
    onSample({ kind: 'sample', blob, name, href }, question);
  }

  element('samples', HTMLElement).addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    const { sample, question } = button?.dataset ?? {};
    if (sample !== undefined && question !== undefined) {
      void takeSample(sample, question);
    }
  });
}

function pastedName(file: File): string {
  return `pasted.${file.type.slice('image/'.length).replace('jpeg', 'jpg') || 'png'}`;
}

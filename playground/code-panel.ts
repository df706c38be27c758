import { element, make } from './dom.ts';
import { type Picture, pictureSource } from './picture.ts';
import { LANGUAGES, type Request, snippet } from './snippets.ts';

export interface CodePanel {
  show(request: Omit<Request, 'origin' | 'picture'>, picture: Picture | null): void;
}

const COPIED_SHOWN_MS = 2_000;

/** The request as code, in the language chosen. */
export function createCodePanel(): CodePanel {
  const code = element('code', HTMLElement);
  const note = element('code-note', HTMLElement);
  const copy = element('copy', HTMLButtonElement);
  const languages = document.querySelectorAll<HTMLInputElement>('input[name=language]');
  let request: Request | null = null;
  /** A pasted picture and where it can be saved from. */
  let pasted: { picture: Picture; link: HTMLElement } | null = null;

  function write(): void {
    const chosen = [...languages].find(({ checked }) => checked)?.value;
    const language = LANGUAGES.find((name) => name === chosen) ?? 'curl';
    code.textContent = request === null ? '' : snippet(language, request);
  }

  async function copyCode(): Promise<void> {
    try {
      await navigator.clipboard.writeText(code.textContent ?? '');
      copy.textContent = 'Copied';
    } catch {
      // Without https a browser gives no clipboard: the text is selected for the visitor's own Ctrl+C.
      getSelection()?.selectAllChildren(code);
      copy.textContent = 'Selected';
    }
    setTimeout(() => (copy.textContent = 'Copy'), COPIED_SHOWN_MS);
  }

  copy.addEventListener('click', () => void copyCode());
  for (const language of languages) {
    language.addEventListener('change', write);
  }

  return {
    show(wishes, picture) {
      request = { ...wishes, origin: location.origin, picture: picture === null ? null : pictureSource(picture) };
      if (picture?.kind === 'file' && picture.unsaved && pasted?.picture !== picture) {
        pasted = { picture, link: saveLink(picture) };
      }
      note.replaceChildren(...notes(wishes.needsKey, picture, pasted?.link));
      write();
    },
  };
}

function notes(needsKey: boolean, picture: Picture | null, link: HTMLElement | undefined): (string | Node)[] {
  const key = needsKey ? ['The key is read from VORA_API_KEY. '] : [];
  if (picture?.kind !== 'file') {
    return key;
  }
  return picture.unsaved && link !== undefined
    ? [...key, 'The picture came from the clipboard: ', link, ' where the code runs.']
    : [...key, `It reads ${picture.name} from the folder it runs in.`];
}

function saveLink({ blob, name }: Extract<Picture, { kind: 'file' }>): HTMLElement {
  const link = make('a', '', `save it as ${name}`);
  link.setAttribute('href', URL.createObjectURL(blob));
  link.setAttribute('download', name);
  return link;
}

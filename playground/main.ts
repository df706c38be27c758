import { createAnswerPanel } from './answer-panel.ts';
import { ask, AskError, listModels, viewUrl } from './ask.ts';
import { chatBody, type Wishes } from './chat-body.ts';
import { createCodePanel } from './code-panel.ts';
import { element } from './dom.ts';
import type { VisionFacts } from './model-view.ts';
import { listenForPictures } from './picture-input.ts';
import { createPicturePanel } from './picture-panel.ts';
import { type Picture, pictureUrl } from './picture.ts';

/** For everything but an answer, which may take as long as it takes. */
const REPLY_TIMEOUT_MS = 30_000;

const form = element('form', HTMLFormElement);
const question = element('question', HTMLTextAreaElement);
const modelField = element('model', HTMLSelectElement);
/** Nowhere but here: nothing of it is stored. */
const key = element('key', HTMLInputElement);
const maxTokens = element('max-tokens', HTMLInputElement);
const temperature = element('temperature', HTMLInputElement);
const keyError = element('key-error', HTMLElement);
const settings = element('settings', HTMLDetailsElement);
const askButton = element('ask', HTMLButtonElement);
const stopButton = element('stop', HTMLButtonElement);

const picturePanel = createPicturePanel(readVision(), (url) =>
  viewUrl(url, key.value, AbortSignal.timeout(REPLY_TIMEOUT_MS)),
);
const answerPanel = createAnswerPanel(() => performance.now());
const codePanel = createCodePanel();

let picture: Picture | null = null;
/** Ends the question that is being answered. */
let running: AbortController | null = null;

listenForPictures({
  onPicture: show,
  onSample(sample, itsQuestion) {
    question.value = itsQuestion;
    show(sample);
    void answer();
  },
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (running === null) {
    void answer();
  }
});
question.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
stopButton.addEventListener('click', () => {
  running?.abort();
  askButton.focus();
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    running?.abort();
  }
});
key.addEventListener('change', () => void loadModels());
document.addEventListener('input', showCode);
await loadModels();

function show(given: Picture | null): void {
  picture = given;
  showCode();
  void picturePanel.show(given);
}

function wishes(): Wishes {
  return {
    model: modelField.value,
    question: question.value,
    maxTokens: maxTokens.valueAsNumber,
    temperature: temperature.valueAsNumber,
  };
}

function showCode(): void {
  codePanel.show({ wishes: wishes(), needsKey: key.value !== '' }, picture);
}

async function answer(): Promise<void> {
  running?.abort();
  const asking = new AbortController();
  running = asking;
  const asked = picture;
  const mine = (): boolean => running === asking;
  stopButton.hidden = false;
  askButton.setAttribute('aria-disabled', 'true');
  answerPanel.begin();
  try {
    const body = chatBody(wishes(), asked === null ? null : await pictureUrl(asked));
    for await (const event of ask(body, key.value, asking.signal)) {
      if (mine()) {
        answerPanel.event(event);
      }
    }
    if (mine()) {
      answerPanel.ended(asked === null ? null : picturePanel.sizes());
    }
  } catch (error) {
    if (mine()) {
      fail(error, asking.signal);
    }
  } finally {
    if (mine()) {
      running = null;
      stopButton.hidden = true;
      askButton.removeAttribute('aria-disabled');
    }
  }
}

function fail(error: unknown, signal: AbortSignal): void {
  if (signal.aborted) {
    answerPanel.stopped();
    return;
  }
  answerPanel.failed(error);
  if (isMissingKey(error)) {
    settings.open = true;
    key.focus();
  }
}

async function loadModels(): Promise<void> {
  const before = modelField.value;
  keyError.hidden = true;
  try {
    const names = await listModels(key.value, AbortSignal.timeout(REPLY_TIMEOUT_MS));
    modelField.replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(before)) {
      modelField.value = before;
    }
  } catch (error) {
    modelField.replaceChildren(new Option(isMissingKey(error) ? 'needs a key' : 'not known', ''));
    settings.open = true;
    // That a key is needed is no fault yet while none was given.
    keyError.hidden = isMissingKey(error) && key.value === '';
    keyError.textContent = error instanceof Error ? error.message : 'The models cannot be listed';
  }
  modelField.disabled = modelField.value === '';
  showCode();
}

function isMissingKey(error: unknown): boolean {
  return error instanceof AskError && error.status === 401;
}

/** Null: the worker embeds no pictures itself, or cannot say how. */
async function readVision(): Promise<VisionFacts | null> {
  try {
    const response = await fetch('/playground/facts.json');
    return ((await response.json()) as { vision: VisionFacts | null }).vision;
  } catch {
    return null;
  }
}

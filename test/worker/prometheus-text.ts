/** One line of the text format. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** Reads the text format as its specification has it (prometheus.io, exposition formats); throws at what it does not allow. */
export function readExposition(text: string): Sample[] {
  demand(text.endsWith('\n'), 'the last line has no end');
  const samples: Sample[] = [];
  const families = new Set<string>();
  let family = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, named = '', rest = ''] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      demand(!families.has(named), `${named} comes twice`);
      family = named;
      families.add(named);
    } else if (kind === 'TYPE') {
      demand(family === named && /^(counter|gauge|histogram)$/.test(rest), `misplaced or unknown: ${line}`);
    } else {
      const sample = readSample(line);
      demand(
        [sample.name, sample.name.replace(/_(bucket|sum|count)$/, '')].includes(family),
        `outside its family: ${line}`,
      );
      samples.push(sample);
    }
  }
  demand(
    new Set(samples.map((sample) => JSON.stringify([sample.name, sample.labels]))).size === samples.length,
    'a series twice',
  );
  return samples;
}

function readSample(line: string): Sample {
  const [, name, labelText = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  const pairs = [...labelText.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/g)];
  demand(pairs.map(([whole]) => whole).join('') === labelText, `labels of ${line}`);
  if (name === undefined || value === undefined || Number.isNaN(Number(value))) {
    throw new Error(`no line of the format: ${line}`);
  }
  return {
    name,
    labels: Object.fromEntries(pairs.map(([, label = '', raw = '']) => [label, raw])),
    value: Number(value),
  };
}

function demand(holds: boolean, fault: string): void {
  if (!holds) {
    throw new Error(fault);
  }
}

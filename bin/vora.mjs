#!/usr/bin/env node
if (!process.features.typescript) {
  console.error(`vora runs TypeScript as it is, and Node ${process.versions.node} does not: use npx vora, or Node 24`);
  process.exit(2);
}
// `vora serve` is the endpoint, every other command is weights-tools: the two never import each other.
// A reader that leaves early, as `head` does, is no fault.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') {
    throw error;
  }
});
const [command, ...rest] = process.argv.slice(2);
if (command === 'serve') {
  const { serve } = await import('../src/endpoint/main.ts');
  await serve(rest);
} else {
  const { runCli } = await import('../weights-tools/cli.ts');
  process.exitCode = await runCli(process.argv.slice(2));
}

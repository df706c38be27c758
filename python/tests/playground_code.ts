/** Prints the Python that the playground shows for a request, given as JSON in the first argument, and the body it sends. */
import { chatBody } from '../../playground/chat-body.ts';
import { type Request, snippet } from '../../playground/snippets.ts';

const { request, pictureUrl } = JSON.parse(process.argv[2] ?? '') as { request: Request; pictureUrl: string | null };
console.log(JSON.stringify({ code: snippet('python', request), body: chatBody(request.wishes, pictureUrl) }));

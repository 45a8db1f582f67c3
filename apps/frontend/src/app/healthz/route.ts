/** This server is up; says nothing about the market behind it. */
export function GET(): Response {
  return Response.json({ status: 'ok' });
}

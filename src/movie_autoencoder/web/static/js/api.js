// Requests to the server that this page came from.

/** Posts a body, or gets the path without one; a refusal becomes an Error with the message of the server. */
export async function ask(path, body, { signal, raw } = {}) {
  const options = { signal };
  if (body !== undefined) {
    options.method = "POST";
    options.body = raw ? body : JSON.stringify(body);
    options.headers = { "Content-Type": raw ? "application/octet-stream" : "application/json" };
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running in its terminal?");
  }
  const answer = await response.json().catch((error) => {
    if (error.name === "AbortError") throw error; // aborted while it was read
    return {};
  });
  if (!response.ok) throw new Error(answer.detail || `The server answered with status ${response.status}.`);
  return answer;
}

// The HTTP API from the page: JSON in and out, problems as typed errors, a fresh idempotency key for each command.

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  job_id?: number;
  findings?: unknown[];
  errors?: { pointer: string; message: string }[];
  [extra: string]: unknown;
}

/** The server said no, or could not be reached (status 0). The message is the server's own reason. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly problem: Problem = {},
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export type Query = Record<string, string | number | boolean | null | undefined | readonly (string | number)[]>;

export interface Options {
  query?: Query;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

export interface Answer<T> {
  body: T;
  etag: string | null;
}

/** `/api` + path + query; null, undefined and empty values are left out, lists are repeated. */
export function address(path: string, query: Query = {}): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) pairs.append(name, String(one));
  }
  const text = pairs.toString();
  return `/api${path}${text ? `?${text}` : ""}`;
}

export async function request<T>(method: string, path: string, body?: unknown, options: Options = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["Idempotency-Key"] = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  let response: Response;
  try {
    response = await fetch(address(path, options.query), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: options.signal,
      credentials: "same-origin",
    });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiError(0, "The server can't be reached.");
  }
  const isJson = /json/.test(response.headers.get("Content-Type") ?? "");
  const content: unknown = response.status === 204 ? null : isJson ? await response.json() : await response.text();
  if (!response.ok) throw problemOf(response, content);
  return { body: content as T, etag: response.headers.get("ETag") };
}

function problemOf(response: Response, content: unknown): ApiError {
  if (response.status === 401) dispatchEvent(new Event("quaero:login"));
  if (content === null || typeof content !== "object") return new ApiError(response.status, `The server answered ${response.status}.`);
  const problem = content as Problem;
  const reasons = problem.errors?.map((one) => one.message).join("; ");
  const message = problem.detail || reasons || problem.title || `The server answered ${response.status}.`;
  return new ApiError(response.status, message, problem);
}

export const get = async <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> =>
  (await request<T>("GET", path, undefined, { query, signal })).body;

export const post = async <T>(path: string, body: unknown = {}, options?: Options): Promise<T> =>
  (await request<T>("POST", path, body, options)).body;

export const remove = async <T>(path: string, options?: Options): Promise<T> =>
  (await request<T>("DELETE", path, undefined, options)).body;

/** What to tell a person about an error. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

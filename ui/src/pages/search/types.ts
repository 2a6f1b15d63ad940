// Shapes of the API that concern search.

export interface Hit {
  document_id: string;
  source_type: string;
  source_id: string;
  title: string;
  url: string;
  tags: string[];
  /** U+0001 stands before each hit, U+0002 behind it. */
  snippet: string;
  score: number;
  updated_at: string;
}

export interface Found {
  items: Hit[];
  next: number | null;
  elapsed_ms: number;
}

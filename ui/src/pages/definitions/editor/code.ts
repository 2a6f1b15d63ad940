// The code editor: TOML, completion, notes on hover, marks of the findings.
//
// It lives in a shadow root: there its styles are constructed sheets, which a policy without inline styles allows.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, type Completion, type CompletionContext, type CompletionResult, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { toml } from "@codemirror/legacy-modes/mode/toml";
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState, type Text } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, hoverTooltip, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { Finding, Schema } from "../types";
import { complete, explain, type Option, type Surroundings } from "./completion";

export interface CodeOptions {
  parent: HTMLElement;
  text: string;
  readOnly?: boolean;
  label: string;
  schema: () => Schema | null;
  around: () => Surroundings;
  onChange: (text: string) => void;
  onSave: () => void;
}

export interface Code {
  text(): string;
  replace(text: string): void;
  mark(findings: readonly Finding[]): void;
  jump(line: number, column?: number): void;
  focus(): void;
  destroy(): void;
}

export function openCode(options: CodeOptions): Code {
  const root = options.parent.shadowRoot ?? options.parent.attachShadow({ mode: "open", delegatesFocus: true });
  const view = new EditorView({
    root,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        lineNumbers(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        highlightSpecialChars(),
        history(),
        drawSelection(),
        EditorState.allowMultipleSelections.of(true),
        EditorState.tabSize.of(2),
        StreamLanguage.define(toml),
        syntaxHighlighting(COLOURS),
        bracketMatching(),
        closeBrackets(),
        search({ top: true }),
        highlightSelectionMatches(),
        autocompletion({ override: [(context) => offered(context, options)], icons: false, activateOnTyping: true }),
        hoverTooltip((view, pos) => noteAt(view, pos, options.schema())),
        lintGutter(),
        keymap.of([
          { key: "Mod-s", preventDefault: true, run: () => (options.onSave(), true) },
          ...closeBracketsKeymap,
          ...completionKeymap,
          ...searchKeymap,
          ...lintKeymap,
          ...historyKeymap,
          ...defaultKeymap,
          indentWithTab,
        ]),
        EditorView.contentAttributes.of({ "aria-label": options.label, spellcheck: "false", autocapitalize: "off", tabindex: "0" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) options.onChange(update.state.doc.toString());
        }),
        EditorState.readOnly.of(options.readOnly ?? false),
        LOOKS,
      ],
    }),
    parent: root,
  });
  return {
    text: () => view.state.doc.toString(),
    replace: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
    mark: (findings) => view.dispatch(setDiagnostics(view.state, findings.map((one) => diagnosticOf(one, view.state.doc)))),
    jump: (line, column = 1) => {
      const at = placeIn(view.state.doc, line, column);
      view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
      view.focus();
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}

/** Columns count characters, as people do; the document counts UTF-16 units. */
function placeIn(doc: Text, line: number, column: number): number {
  const found = doc.line(Math.max(1, Math.min(doc.lines, line)));
  return found.from + [...found.text].slice(0, Math.max(0, column - 1)).join("").length;
}

function diagnosticOf(finding: Finding, doc: Text): Diagnostic {
  const from = placeIn(doc, finding.line, finding.column);
  const line = doc.lineAt(from);
  const rest = line.text.slice(from - line.from);
  const length = (/^\[+[^\]]*\]+|^[\w.-]+|^"[^"]*"/.exec(rest)?.[0] ?? rest.trimEnd()).length;
  return {
    from,
    to: Math.min(line.to, from + Math.max(1, length)),
    severity: finding.severity,
    source: finding.code,
    message: finding.hint ? `${finding.message}\n${finding.hint}` : finding.message,
  };
}

function offered(context: CompletionContext, options: CodeOptions): CompletionResult | null {
  const schema = options.schema();
  if (!schema) return null;
  const text = context.state.doc.toString();
  const offer = complete(text, context.pos, schema, options.around());
  if (!offer) return null;
  const typed = text.slice(offer.from, context.pos);
  const before = text.slice(text.lastIndexOf("\n", offer.from - 1) + 1, offer.from);
  // An empty line or a bare "key = " asks for nothing by itself; inside quotes and heads it does.
  if (!context.explicit && !typed && !/["'[{,]\s*$/.test(before)) return null;
  return {
    from: offer.from,
    validFor: /^[\w.{}-]*$/,
    options: offer.options.map((option, index): Completion => ({
      label: option.label,
      detail: option.detail,
      info: option.info || undefined,
      type: option.kind,
      boost: -index / 10,
      apply: (view, _completion, from, to) => take(view, option, from, Math.min(view.state.doc.length, to + offer.to)),
    })),
  };
}

function take(view: EditorView, option: Option, from: number, to: number): void {
  view.dispatch({
    changes: { from, to, insert: option.insert },
    selection: { anchor: from + option.insert.length - option.back },
    scrollIntoView: true,
    userEvent: "input.complete",
  });
  if (option.back || option.insert.endsWith("= ")) startCompletion(view);
}

function noteAt(view: EditorView, pos: number, schema: Schema | null) {
  const note = schema ? explain(view.state.doc.toString(), pos, schema) : null;
  if (!note) return null;
  return {
    pos: note.from,
    end: note.to,
    above: true,
    create: () => {
      const dom = document.createElement("div");
      dom.className = "note";
      const title = document.createElement("strong");
      title.textContent = note.title;
      const text = document.createElement("p");
      text.textContent = note.text;
      dom.append(title, text);
      return { dom };
    },
  };
}

const COLOURS = HighlightStyle.define([
  { tag: tags.comment, color: "var(--dim)", fontStyle: "italic" },
  { tag: tags.propertyName, color: "var(--accent)" },
  { tag: tags.string, color: "var(--ok)" },
  { tag: tags.number, color: "var(--run)" },
  { tag: tags.atom, color: "light-dark(#8a3a9b, #d69ae0)", fontWeight: "600" },
  { tag: tags.bracket, color: "var(--dim)" },
]);

const LOOKS = EditorView.theme({
  "&": { height: "100%", background: "var(--surface)", color: "var(--text)", fontSize: "13px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--text)", paddingBottom: "30vh" },
  ".cm-cursor": { borderLeftColor: "var(--text)", borderLeftWidth: "1.5px" },
  ".cm-gutters": { background: "var(--surface)", color: "var(--dim)", borderRight: "1px solid var(--line)" },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "34px", padding: "0 6px 0 2px" },
  ".cm-activeLine": { background: "color-mix(in srgb, var(--hover) 60%, transparent)" },
  ".cm-activeLineGutter": { background: "var(--hover)", color: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "light-dark(#c9e2e7, #2a4a52)" },
  ".cm-selectionMatch": { background: "var(--warn-soft)" },
  "&.cm-focused .cm-matchingBracket": { background: "var(--active)", outline: "1px solid var(--focus)" },
  "&.cm-focused .cm-nonmatchingBracket": { background: "var(--bad-soft)" },
  ".cm-searchMatch": { background: "var(--warn-soft)", outline: "1px solid var(--warn)" },
  ".cm-searchMatch-selected": { background: "var(--run-soft)" },
  ".cm-tooltip": { border: "1px solid var(--line-strong)", borderRadius: "6px", background: "var(--raised)", color: "var(--text)", boxShadow: "var(--shadow)", overflow: "hidden", fontFamily: "var(--sans)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { maxHeight: "16em", fontFamily: "var(--mono)", fontSize: "12px", minWidth: "220px", maxWidth: "min(560px, 90vw)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "2px 8px", display: "flex", gap: "14px", lineHeight: "1.5" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { background: "var(--active)", color: "var(--text)" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700", color: "var(--accent)" },
  ".cm-completionDetail": { margin: "0 0 0 auto", color: "var(--dim)", fontStyle: "normal", fontFamily: "var(--sans)", overflow: "hidden", textOverflow: "ellipsis" },
  ".cm-tooltip.cm-completionInfo": { padding: "6px 10px", maxWidth: "300px", fontSize: "12px", lineHeight: "1.45" },
  ".note": { padding: "6px 10px", maxWidth: "420px", fontSize: "12px" },
  ".note p": { margin: "2px 0 0" },
  ".cm-diagnostic": { padding: "5px 10px", fontSize: "12px", whiteSpace: "pre-wrap" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--bad)" },
  ".cm-diagnostic-warning": { borderLeft: "3px solid var(--warn)" },
  ".cm-diagnosticSource": { color: "var(--dim)", opacity: "1" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--bad) 1px", textUnderlineOffset: "3px", textDecorationSkipInk: "none" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--warn) 1px", textUnderlineOffset: "3px", textDecorationSkipInk: "none" },
  ".cm-gutter-lint": { width: "14px" },
  ".cm-lint-marker": { width: "9px", height: "9px", margin: "5px 0 0 2px" },
  ".cm-lint-marker-error": { content: "normal", borderRadius: "2px", background: "var(--bad)" },
  ".cm-lint-marker-warning": { content: "normal", borderRadius: "50%", background: "var(--warn)" },
  ".cm-panels": { background: "var(--ground)", color: "var(--text)" },
  ".cm-panels-top": { borderBottom: "1px solid var(--line)" },
  ".cm-panel.cm-search": { padding: "6px 10px", fontFamily: "var(--sans)" },
  ".cm-panel.cm-search [name=close]": { color: "var(--dim)", fontSize: "16px" },
  ".cm-panel input": { fontFamily: "inherit" },
  ".cm-panel.cm-panel-lint ul [aria-selected]": { background: "var(--active)", color: "var(--text)" },
  ".cm-textfield": { border: "1px solid var(--line-strong)", borderRadius: "5px", background: "var(--surface)", color: "var(--text)", fontSize: "13px", padding: "2px 8px" },
  ".cm-button": { border: "1px solid var(--line-strong)", borderRadius: "5px", background: "var(--surface)", backgroundImage: "none", color: "var(--text)", fontSize: "13px", padding: "2px 9px" },
});

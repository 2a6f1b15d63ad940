// What is wrong with a definition, by line; a click jumps there.
import type { Finding } from "./types";

interface Props {
  findings: readonly Finding[];
  onJump?: (finding: Finding) => void;
}

export function FindingList({ findings, onJump }: Props) {
  return (
    <ul class="findings" aria-label="Findings">
      {findings.map((finding, index) => {
        const content = (
          <>
            <span class={`finding-mark ${finding.severity}`}>{finding.severity}</span>
            <span class="finding-place mono">
              {finding.line}:{finding.column}
            </span>
            <span class="finding-text">
              {finding.message}
              {finding.hint ? <span class="dim"> {finding.hint}</span> : null}
            </span>
            <span class="dim mono finding-code">{finding.code}</span>
          </>
        );
        return (
          <li key={`${index} ${finding.code} ${finding.line}`}>
            {onJump ? (
              <button type="button" class="finding" onClick={() => onJump(finding)}>
                {content}
              </button>
            ) : (
              <div class="finding">{content}</div>
            )}
          </li>
        );
      })}
    </ul>
  );
}

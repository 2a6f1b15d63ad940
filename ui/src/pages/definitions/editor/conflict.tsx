// Somebody else stored another text: theirs beside mine, and the choice.
import { Dialog } from "../../../parts/dialog";
import { absoluteTime } from "../../../parts/time";
import type { DefinitionText } from "../types";
import { DiffView } from "./diff-view";
import { plain } from "./text";

interface Props {
  mine: string;
  theirs: DefinitionText;
  onMine: () => void;
  onTheirs: () => void;
  onClose: () => void;
}

export function Conflict({ mine, theirs, onMine, onTheirs, onClose }: Props) {
  return (
    <Dialog title={`${theirs.definition.file} was changed elsewhere`} onClose={onClose} wide>
      <p>
        What is stored now is from {absoluteTime(theirs.definition.modified_at)}. Nothing of yours was stored. <em>Keep mine</em> puts your text in the place of theirs; <em>take theirs</em> puts theirs into the editor, where Ctrl-Z brings
        yours back.
      </p>
      <DiffView left={plain(theirs.source)} right={mine} leftName="theirs" rightName="mine" />
      <div class="dialog-buttons">
        <button type="button" class="button" autofocus onClick={onClose}>
          Go on editing
        </button>
        <button type="button" class="button" onClick={onTheirs}>
          Take theirs
        </button>
        <button type="button" class="button danger" onClick={onMine}>
          Keep mine
        </button>
      </div>
    </Dialog>
  );
}

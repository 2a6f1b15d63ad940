// What a new definition begins with.
import { Dialog } from "../../parts/dialog";
import { navigate } from "../../router";
import { TEMPLATES } from "./templates";

export function Gallery({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="New definition" onClose={onClose} wide>
      <ul class="gallery">
        {TEMPLATES.map((template) => (
          <li key={template.id}>
            <button
              type="button"
              class="gallery-card"
              onClick={() => {
                onClose();
                void navigate(`/new-definition?template=${template.id}`);
              }}
            >
              <strong>{template.title}</strong>
              <span class="dim">{template.text}</span>
            </button>
          </li>
        ))}
      </ul>
      <p class="dim">Nothing is stored until you save.</p>
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}

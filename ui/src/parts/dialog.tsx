// Dialogs on the browser's own <dialog>: focus stays inside, Esc closes.
import { type ComponentChildren, render } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}

export function Dialog({ title, onClose, children, wide = false }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = box.current!;
    const before = document.activeElement as HTMLElement | null;
    element.showModal();
    return () => {
      element.close();
      before?.focus?.();
    };
  }, []);
  return (
    <dialog
      ref={box}
      class={wide ? "dialog wide" : "dialog"}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === box.current && onClose()}
    >
      <div class="dialog-body">
        <h2>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

export interface Question {
  title: string;
  /** What will happen, and what will be lost. */
  body: ComponentChildren;
  /** The word on the button: the deed itself, as "Delete 3 runs". */
  confirm: string;
  danger?: boolean;
}

/** Ask before something that can't be undone. */
export function confirmAction(question: Question): Promise<boolean> {
  return new Promise((resolve) => {
    const place = document.createElement("div");
    document.body.append(place);
    const done = (answer: boolean): void => {
      render(null, place);
      place.remove();
      resolve(answer);
    };
    render(
      <Dialog title={question.title} onClose={() => done(false)}>
        <div class="dialog-text">{question.body}</div>
        <div class="dialog-buttons">
          <button type="button" class="button" autofocus={question.danger} onClick={() => done(false)}>
            Keep as it is
          </button>
          <button type="button" class={question.danger ? "button danger" : "button primary"} onClick={() => done(true)}>
            {question.confirm}
          </button>
        </div>
      </Dialog>,
      place,
    );
  });
}

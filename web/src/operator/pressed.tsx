import { useState } from 'react';

// What can't be taken back needs a second press; a double click is one, and so is a key that is held down. The button stays, so that
// the keyboard does, too.
export function Pressed({ label, sureLabel, twice = true, className = '', disabled, onPress }: { label: string; sureLabel: string; twice?: boolean; className?: string; disabled: boolean; onPress: () => void }) {
  const [pressed, setPressed] = useState(false);
  const sure = twice && pressed;
  function press() {
    setPressed(twice && !sure);
    if (!twice || sure) onPress();
  }
  return (
    <button
      type="button"
      className={sure ? 'danger' : className}
      disabled={disabled}
      onBlur={() => setPressed(false)}
      onKeyDown={(event) => { if (event.repeat && event.key === 'Enter') event.preventDefault(); }}
      onClick={(event) => { if (event.detail <= 1) press(); }}
    >
      {sure ? sureLabel : label}
    </button>
  );
}

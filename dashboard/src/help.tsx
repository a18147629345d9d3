/** The keys. */
import { Modal } from './actions.js'

const keys: readonly (readonly [string, string])[] = [
  ['j  k', 'next and previous saga'],
  ['Enter', 'open it'],
  ['Esc', 'close it'],
  ['/', 'find a saga by its id'],
  ['1  2  3', 'sagas, lines, numbers'],
  ['[  ]', 'newest, older page'],
  ['t', 'light, dark, or as the system has it'],
  ['← →', 'in the timeline: read call by call'],
  ['?', 'this list'],
]

export const Help = ({ close }: { readonly close: () => void }) => (
  <Modal title="Keys" close={close}>
    <dl class="keys">
      {keys.map(([key, text]) => (
        <div key={key}>
          <dt>
            {key.split(/\s+/).map((one) => (
              <kbd key={one}>{one}</kbd>
            ))}
          </dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
    <div class="buttons">
      <button type="button" class="primary" onClick={close}>
        Close
      </button>
    </div>
  </Modal>
)

/**
 * Light or dark: as the system has it, or as the switch says, which this browser remembers.
 */
import { useEffect, useState } from 'preact/hooks'

const themes = ['auto', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]
const key = 'backstep.theme'

/** A browser may refuse to remember anything; then it is the system's. */
function remembered(): Theme {
  try {
    return themes.find((theme) => theme === localStorage.getItem(key)) ?? 'auto'
  } catch {
    return 'auto'
  }
}

export function useTheme(): readonly [Theme, () => void] {
  const [theme, set] = useState(remembered)
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme
    try {
      localStorage.setItem(key, theme)
    } catch {}
  }, [theme])
  return [theme, () => set(themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'auto')]
}

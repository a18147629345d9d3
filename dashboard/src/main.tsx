/** Starts the page. */
import { render } from 'preact'
import { App } from './app.js'
import './style/base.css'
import './style/shell.css'
import './style/list.css'
import './style/numbers.css'
import './style/saga.css'
import './style/timeline.css'
import './style/rooms.css'
import './style/narrow.css'

const place = document.getElementById('page')
if (place) render(<App />, place)

/** The pages' only style sheet: no font, image or rule from elsewhere. */
export const STYLE_SHEET = `:root {
  color-scheme: light dark;
  --ground: light-dark(#f3f5f9, #0f131a);
  --card: light-dark(#ffffff, #181e28);
  --text: light-dark(#17202e, #e8ecf3);
  --muted: light-dark(#566175, #9aa6b9);
  --line: light-dark(#cfd6e2, #354052);
  --accent: light-dark(#1f5fd1, #7aa8ff);
  --on-accent: light-dark(#ffffff, #0c1626);
  --alert: light-dark(#a3141f, #ff9ba1);
  --alert-ground: light-dark(#fdecee, #35181c);
}
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main {
  width: 100%; max-width: 25rem; padding: 2.25rem 2rem; border-radius: 14px;
  background: var(--card); border: 1px solid var(--line);
  box-shadow: 0 12px 32px rgb(15 25 45 / 10%);
}
.brand { display: flex; align-items: center; gap: .6rem; margin: 0 0 1.5rem; color: var(--muted); font-size: .875rem; }
.brand::before { content: ""; width: 1.5rem; height: 1.5rem; border-radius: 7px; background: linear-gradient(135deg, var(--accent), #6c4de0); }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em; }
p { margin: 0 0 1.25rem; }
.muted { color: var(--muted); }
.alert { padding: .7rem .9rem; border-radius: 8px; color: var(--alert); background: var(--alert-ground); }
label { display: block; margin: 0 0 .3rem; font-size: .875rem; font-weight: 600; }
input[type="text"], input[type="password"] {
  width: 100%; height: 2.75rem; margin: 0 0 1.1rem; padding: 0 .8rem; font: inherit;
  color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 8px;
}
button {
  width: 100%; height: 2.75rem; margin-top: .4rem; font: inherit; font-weight: 600; cursor: pointer;
  border-radius: 8px; border: 1px solid var(--accent); background: var(--accent); color: var(--on-accent);
}
button.quiet { background: transparent; color: var(--accent); border-color: var(--line); }
:is(input, button, a):focus-visible { outline: 3px solid color-mix(in srgb, var(--accent) 55%, transparent); outline-offset: 2px; }
ul { margin: 0 0 1.25rem; padding-left: 1.2rem; }
code { font-size: .875em; overflow-wrap: anywhere; }
@media (forced-colors: none) { button:hover { filter: brightness(1.08); } }
`

/** Confirms the sign-out without a click. In a file of its own, so that no page allows inline script. */
export const SIGN_OUT_SCRIPT = `document.getElementById('op.logoutForm').requestSubmit()
`

/** Goes on once every frame has its answer, or after two seconds. */
export const LEAVE_SCRIPT = `const answered = (frame) =>
  new Promise((done) => {
    const { contentDocument } = frame
    if (contentDocument === null || contentDocument.URL !== 'about:blank') done()
    frame.addEventListener('load', done)
  })
const frames = Promise.all(Array.from(document.querySelectorAll('iframe'), answered))
const patience = new Promise((done) => setTimeout(done, 2000))
Promise.race([frames, patience]).then(() => location.replace(document.getElementById('next').href))
`

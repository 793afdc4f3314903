// Server-sent events for as long as somebody looks at the page: a browser has few connections for
// one server, and pages in the background would use them up.
export function live(address, show) {
  let source;
  const open = () => {
    source = new EventSource(address);
    source.onmessage = event => show(JSON.parse(event.data));
  };
  const look = () => {
    if (document.hidden) {
      source?.close();
      source = undefined;
    } else if (!source) open();
  };
  document.addEventListener('visibilitychange', look);
  addEventListener('pagehide', () => source?.close());
  addEventListener('pageshow', event => { if (event.persisted) { source = undefined; look(); } });
  look();
}

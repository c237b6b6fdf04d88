(() => {
  const bar = document.querySelector(".bar");
  const box = bar.querySelector("input");
  const count = bar.querySelector("output");
  const buttons = [...bar.querySelectorAll("button")];
  const rows = [...document.querySelectorAll("[data-row]")];
  const groups = [...document.querySelectorAll("[data-group]")];

  const apply = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = buttons.filter((b) => b.ariaPressed === "true").map((b) => b.value);
    for (const row of rows) {
      const text = `${row.dataset.text} ${row.closest("[data-group]").dataset.text}`.toLowerCase();
      const said = words.every((word) => text.includes(word));
      const stands = row.dataset.states.split("|");
      row.hidden = !said || (states.length > 0 && !states.some((s) => stands.includes(s)));
    }
    for (const group of groups) {
      group.hidden = !group.querySelector("[data-row]:not([hidden])");
    }
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      button.ariaPressed = button.ariaPressed === "true" ? "false" : "true";
      apply();
    });
  }
  box.addEventListener("input", apply);
  bar.hidden = false;
  apply();
})();

"use strict";
(() => {
  const run = document.body.dataset.run;
  const fields = [...document.querySelectorAll("fieldset[data-answer]")];
  const reviewer = document.getElementById("reviewer");
  const place = "tierwise-review-" + run;

  const entered = () => fields.flatMap((field) => {
    const picked = field.querySelector("input:checked");
    const note = field.querySelector("textarea").value;
    return picked ? [{answer: field.dataset.answer, score: Number(picked.value), note}] : [];
  });

  const show = () => {
    const done = entered().length;
    document.getElementById("bar").value = fields.length ? done / fields.length : 0;
    document.getElementById("count").textContent = done + " of " + fields.length;
    for (const field of fields) {
      field.classList.toggle("graded", field.querySelector("input:checked") !== null);
    }
  };

  // A browser may refuse storage to a local file; the page then works without it.
  const keep = () => {
    try {
      localStorage.setItem(place, JSON.stringify({reviewer: reviewer.value, labels: entered()}));
    } catch { /* nothing to do */ }
    show();
  };

  const restore = () => {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(place));
    } catch { /* nothing kept */ }
    if (!kept) return;
    reviewer.value = kept.reviewer;
    for (const label of kept.labels) {
      const field = fields.find((one) => one.dataset.answer === label.answer);
      const radio = field && field.querySelector('input[value="' + label.score + '"]');
      if (!radio) continue;
      radio.checked = true;
      field.querySelector("textarea").value = label.note;
    }
  };

  document.getElementById("export").addEventListener("click", () => {
    const content = {
      format: document.body.dataset.format,
      run,
      reviewer: reviewer.value.trim(),
      labels: entered(),
    };
    const link = document.createElement("a");
    const blob = new Blob([JSON.stringify(content, null, 1)], {type: "application/json"});
    link.href = URL.createObjectURL(blob);
    link.download = "review-" + (content.reviewer.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "") || "anonymous") + ".json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });

  document.addEventListener("input", keep);
  restore();
  show();
})();

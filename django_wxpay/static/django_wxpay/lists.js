// On a narrow screen each row of a list is a card, and its values need the names of their columns.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
    const names = Array.from(document.querySelectorAll("#result_list thead th"), (cell) =>
        cell.textContent.trim(),
    );
    for (const row of document.querySelectorAll("#result_list tbody tr")) {
        Array.from(row.children).forEach((cell, at) => {
            cell.dataset.column = cell.classList.contains("action-checkbox") ? "" : names[at];
        });
    }
});

(function () {
  "use strict";

  function value(row, column) {
    var cell = row.cells[column];
    return cell.hasAttribute("data-value") ? cell.getAttribute("data-value") : cell.textContent.trim();
  }

  function make(name, text, attributes) {
    var element = document.createElement(name);
    element.textContent = text;
    Object.keys(attributes || {}).forEach(function (key) { element.setAttribute(key, attributes[key]); });
    return element;
  }

  function sortable(table) {
    var body = table.tBodies[0];
    var heads = Array.from(table.tHead.rows[0].cells);
    var first = Array.from(body.rows);
    var status = document.getElementById(table.getAttribute("data-status"));
    var controls = document.getElementById(table.getAttribute("data-controls"));
    var select = make("select", "", { id: table.id + "-by" });
    var turn = make("button", "", { type: "button", "class": "turn" });
    var now = { column: -1, down: true };

    function title(column) { return heads[column].getAttribute("data-title"); }
    function isNumber(column) { return heads[column].getAttribute("data-sort") === "number"; }
    function direction() {
      if (now.column < 0) { return ""; }
      if (isNumber(now.column)) { return now.down ? "highest first" : "lowest first"; }
      return now.down ? "Z to A" : "A to Z";
    }

    function compare(one, other) {
      var a = value(one, now.column), b = value(other, now.column);
      if (a === "" || b === "") { return (a === "") - (b === ""); }  // unknown stays last, up or down
      var order = isNumber(now.column) ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true });
      return now.down ? -order : order;
    }

    function sort(column, down) {
      now = { column: column, down: down };
      first.slice().sort(compare).forEach(function (row) { body.appendChild(row); });
      heads.forEach(function (head, index) {
        if (head.hasAttribute("data-sort")) { head.removeAttribute("aria-sort"); }
        if (index === column) { head.setAttribute("aria-sort", down ? "descending" : "ascending"); }
      });
      select.value = String(column);
      turn.textContent = direction();
      status.textContent = "Sorted by " + title(column) + ", " + direction() + ".";
    }

    function press(column) { sort(column, now.column === column ? !now.down : isNumber(column)); }

    heads.forEach(function (head, column) {
      if (!head.hasAttribute("data-sort")) { return; }
      var text = head.textContent;
      head.textContent = "";
      var button = make("button", text, { type: "button", "class": "sort" });
      button.addEventListener("click", function () { press(column); });
      head.appendChild(button);
    });

    function options() {
      select.textContent = "";
      heads.forEach(function (head, column) {
        if (head.hasAttribute("data-sort") && !head.hidden) {
          select.appendChild(make("option", title(column), { value: String(column) }));
        }
      });
      if (now.column >= 0) { select.value = String(now.column); }
    }

    function choose(metric) {
      table.querySelectorAll("[data-metric]").forEach(function (cell) {
        cell.hidden = cell.getAttribute("data-metric") !== metric;
      });
      options();
      if (now.column >= 0 && heads[now.column].hidden) {
        var part = heads[now.column].getAttribute("data-part");
        var same = heads.findIndex(function (head) { return !head.hidden && head.getAttribute("data-part") === part; });
        sort(same, now.down);
      }
    }

    var metrics = Array.from(new Set(heads.map(function (head) { return head.getAttribute("data-metric"); }))).filter(Boolean);
    if (metrics.length > 1) {
      var field = make("fieldset", "", { "class": "choose" });
      field.appendChild(make("legend", "Figure"));
      metrics.forEach(function (metric, index) {
        var label = make("label", "");
        var input = make("input", "", { type: "radio", name: table.id + "-metric", value: metric });
        input.checked = index === 0;
        input.addEventListener("change", function () { choose(metric); });
        label.appendChild(input);
        label.appendChild(document.createTextNode(" " + metric));
        field.appendChild(label);
      });
      controls.appendChild(field);
    }
    var by = make("label", "Sort by ", { "class": "by" });
    by.appendChild(select);
    controls.appendChild(by);
    controls.appendChild(turn);
    select.addEventListener("change", function () { sort(Number(select.value), isNumber(Number(select.value))); });
    turn.addEventListener("click", function () { press(now.column < 0 ? Number(select.value) : now.column); });
    controls.hidden = false;
    if (metrics.length) { choose(metrics[0]); } else { options(); }
    var start = heads.findIndex(function (head) { return head.hasAttribute("aria-sort"); });
    if (start >= 0) { sort(start, heads[start].getAttribute("aria-sort") === "descending"); }
    status.textContent = "";
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
})();

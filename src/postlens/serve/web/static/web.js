// What the page adds where scripts run: results that follow the filters, and buttons that count what is selected.
// Everything works without it, by plain links and forms.
(function () {
  "use strict";

  var live = null;

  function say(text) {
    live = live || document.getElementById("live");
    if (live && text && live.textContent !== text) { live.textContent = text; }
  }

  function fetchResults(address, focus) {
    window.htmx.ajax("GET", address, { target: "#results", select: "#results", swap: "outerHTML" }).then(function () {
      history.replaceState(null, "", address);
      keepOrder(address);
      if (focus) {
        var head = document.querySelector('#results th[aria-sort] a');
        if (head) { head.focus(); }
      }
    });
  }

  // A form of filters keeps the order that was chosen meanwhile.
  function keepOrder(address) {
    var params = new URL(address, location.href).searchParams;
    document.querySelectorAll("form[data-filter]").forEach(function (form) {
      ["sort", "turn"].forEach(function (name) {
        var field = form.querySelector('input[type=hidden][name="' + name + '"]');
        if (!field) {
          field = document.createElement("input");
          field.type = "hidden";
          field.name = name;
          form.appendChild(field);
        }
        field.value = params.get(name) || "";
        field.disabled = !field.value;
      });
    });
  }

  function addressOf(form) {
    var query = new URLSearchParams();
    new FormData(form).forEach(function (value, name) { if (value !== "") { query.set(name, value); } });
    var text = query.toString();
    return form.getAttribute("action") + (text ? "?" + text : "");
  }

  function follow(form) {
    var timer = 0;
    function soon(wait) {
      clearTimeout(timer);
      timer = setTimeout(function () { fetchResults(addressOf(form)); }, wait);
    }
    form.addEventListener("change", function () { soon(0); });
    form.addEventListener("input", function (event) { if (event.target.type === "search") { soon(250); } });
    form.addEventListener("submit", function (event) { event.preventDefault(); soon(0); });
  }

  function count(form) {
    var button = form.querySelector("button[data-needs]");
    var told = form.querySelector("[data-count]");
    if (!button) { return; }
    var usual = told.textContent;
    function update() {
      var chosen = form.querySelectorAll("input[type=checkbox]:checked").length;
      button.disabled = chosen < Number(button.getAttribute("data-needs"));
      told.textContent = chosen ? chosen + " selected. You can undo this." : usual;
    }
    form.addEventListener("change", update);
    update();
  }

  function weigh(input) {
    var most = Number(input.getAttribute("data-most-mib"));
    input.addEventListener("change", function () {
      var mib = 0;
      Array.from(input.files).forEach(function (file) { mib += file.size / 1048576; });
      var tooMuch = mib > most ? "These files have " + Math.ceil(mib) + " MiB; the server takes " + most + "." : "";
      input.setCustomValidity(tooMuch);
    });
  }

  document.addEventListener("click", function (event) {
    var link = event.target.closest ? event.target.closest("#results a[data-results]") : null;
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) { return; }
    event.preventDefault();
    fetchResults(link.getAttribute("href").charAt(0) === "?" ? location.pathname + link.getAttribute("href") : link.href, true);
  });

  // Where the answer is another page, such as the form to sign in, that page is opened instead. A server that is busy
  // is asked again: by the next turn of a poll, or by the user.
  document.addEventListener("htmx:beforeSwap", function (event) {
    var id = event.detail.target.id, status = event.detail.xhr.status;
    if (!id || event.detail.xhr.responseText.indexOf('id="' + id + '"') >= 0) { return; }
    event.detail.shouldSwap = false;
    if (status === 429 || status >= 500) {
      say("The server is busy.");
    } else {
      location.assign(event.detail.pathInfo.requestPath);
    }
  });

  document.addEventListener("htmx:afterSwap", function () {
    var told = document.querySelector("[data-live]");
    if (told) { say(told.textContent.trim()); }
  });

  document.addEventListener("DOMContentLoaded", function () {
    if (!window.htmx) { return; }
    if (document.getElementById("results")) { document.querySelectorAll("form[data-filter]").forEach(follow); }
    document.querySelectorAll("form[data-select]").forEach(count);
    document.querySelectorAll("input[data-most-mib]").forEach(weigh);
  });
})();

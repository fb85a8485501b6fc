/* Draws the charts of the page "API latency" from the figures that the page carries.
 *
 * Every word and number comes from the page. Colours are the theme's, read anew whenever it
 * changes; nothing moves for those who asked for less motion.
 */
"use strict";
{
    const data = JSON.parse(document.getElementById("wxpay-latency-data").textContent);
    const root = document.documentElement;
    const numbers = new Intl.NumberFormat(root.lang || undefined);
    const marks = new Set(data.marks);
    const still = window.matchMedia("(prefers-reduced-motion: reduce)");
    const drawn = [];

    const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
    // A theme may have no name for a colour of text or ground: then it is the page's own.
    const page = document.querySelector(".wxpay-charts, .wxpay-panel");
    const ink = (name) => {
        const found = color(name);
        return found === "currentcolor" ? getComputedStyle(page).color : found;
    };
    const ground = () => {
        const found = color("--wxpay-ground");
        return found === "transparent" ? getComputedStyle(document.body).backgroundColor : found;
    };

    // How each role is drawn: never by its colour alone.
    const LOOKS = {
        p50: {borderWidth: 1.5},
        p95: {borderWidth: 2.5},
        p99: {borderWidth: 1.5, borderDash: [5, 3]},
        waiting: {borderWidth: 2, fill: "origin", stepped: "middle"},
        answered: {stack: "calls", pointStyle: "rectRounded"},
        failed: {stack: "calls", pointStyle: "rectRounded"},
        standby: {
            type: "line", yAxisID: "moments", showLine: false, clip: false,
            pointStyle: "triangle", pointRotation: 180, pointRadius: 6, pointHoverRadius: 7,
        },
    };

    const LEGENDS = {
        latency: {pointStyle: "line", pointStyleWidth: 18},
        calls: {pointStyleWidth: 10, boxHeight: 8},
    };

    function paint(dataset) {
        const own = color(dataset.role === "waiting" ? "--wxpay-backlog" : `--wxpay-${dataset.role}`);
        dataset.borderColor = own;
        dataset.pointBackgroundColor = own;
        dataset.backgroundColor = dataset.role === "waiting" ? `${own}33` : own;
    }

    // Where a value stands: failovers in a row of their own, and no time below a millisecond,
    // for which a logarithmic scale has no place.
    function placed(value, role) {
        if (value === null) {
            return null;
        }
        return role === "standby" ? 1 : role.startsWith("p") ? Math.max(value, 1) : value;
    }

    function dataset(series) {
        const told = series.values;
        const made = {
            label: series.name,
            role: series.role,
            told,
            data: told.map((each) => placed(each, series.role)),
            // A value between two gaps has no line to be seen by.
            pointRadius: (point) => {
                const alone = told[point.dataIndex - 1] == null && told[point.dataIndex + 1] == null;
                return alone ? 2.5 : 0;
            },
            pointHoverRadius: 4,
            pointHitRadius: 8,
            spanGaps: false,
            tension: 0,
            maxBarThickness: 24,
            ...LOOKS[series.role],
        };
        paint(made);
        return made;
    }

    // 1, 2, 5, 10, 20, 50...: what people count in on a logarithmic scale.
    const RUNGS = Array.from({length: 30}, (_, n) => [1, 2, 5][n % 3] * 10 ** Math.floor(n / 3));
    const MOST_RUNGS = 8;

    // The rungs that the scale shows: all of them, or every third where they would not fit.
    function rungs(axis) {
        const within = RUNGS.filter((each) => each >= axis.min && each <= axis.max);
        const tens = within.filter((each) => RUNGS.indexOf(each) % 3 === 0);
        axis.ticks = (within.length > MOST_RUNGS ? tens : within).map((value) => ({value}));
    }

    function scales(chart) {
        const isStacked = chart.kind === "calls";
        const found = {
            x: {
                stacked: isStacked,
                grid: {display: false},
                ticks: {maxRotation: 0, autoSkipPadding: 14},
                afterBuildTicks: (axis) => {
                    axis.ticks = axis.ticks.filter((tick) => marks.has(tick.value));
                },
            },
            y: {
                stacked: isStacked,
                border: {display: false},
                ticks: {
                    maxTicksLimit: 5,
                    precision: 0,
                    callback: (value) => `${numbers.format(value)}\u00a0${chart.unit}`.trim(),
                },
            },
        };
        if (chart.kind === "latency") {
            const times = chart.series.flatMap((one) => one.values).filter((each) => each !== null);
            Object.assign(found.y, {
                type: "logarithmic",
                min: RUNGS.filter((each) => each <= Math.max(1, Math.min(...times))).pop(),
                max: RUNGS.find((each) => each >= Math.max(10, ...times)),
                afterBuildTicks: rungs,
            });
            Object.assign(found.y.ticks, {autoSkip: false, maxTicksLimit: MOST_RUNGS});
        } else {
            Object.assign(found.y, {beginAtZero: true, grace: isStacked ? "15%" : "5%"});
        }
        if (isStacked) {
            found.moments = {axis: "y", display: false, min: 0, max: 1.06};
        }
        return found;
    }

    function theme(options) {
        const quiet = ink("--wxpay-quiet-fg");
        options.scales.x.ticks.color = quiet;
        options.scales.y.ticks.color = quiet;
        options.scales.x.border = {color: color("--wxpay-border")};
        options.scales.y.grid = {color: color("--wxpay-hairline"), drawTicks: false};
        options.plugins.legend.labels.color = ink("--wxpay-fg");
        Object.assign(options.plugins.tooltip, {
            backgroundColor: ground(),
            borderColor: color("--wxpay-border"),
            titleColor: ink("--wxpay-loud"),
            bodyColor: ink("--wxpay-fg"),
        });
        options.animation = still.matches ? false : {duration: 250};
    }

    function draw(chart) {
        const canvas = document.getElementById(`wxpay-${chart.id}`);
        canvas.parentElement.hidden = false;
        const options = {
            responsive: true,
            maintainAspectRatio: false,
            interaction: {mode: "index", intersect: false},
            layout: {padding: {right: 4}},
            scales: scales(chart),
            plugins: {
                legend: {
                    display: chart.series.length > 1,
                    align: "start",
                    labels: {usePointStyle: true, padding: 12},
                },
                tooltip: {
                    borderWidth: 1,
                    padding: 10,
                    usePointStyle: true,
                    boxPadding: 4,
                    filter: (item) => item.dataset.told[item.dataIndex] !== null,
                    callbacks: {
                        title: (items) => (items.length ? data.titles[items[0].dataIndex] : ""),
                        label: (item) => {
                            const value = numbers.format(item.dataset.told[item.dataIndex]);
                            return `${item.dataset.label}: ${value}\u00a0${chart.unit}`.trim();
                        },
                    },
                },
            },
        };
        Object.assign(options.plugins.legend.labels, LEGENDS[chart.kind]);
        theme(options);
        drawn.push(new Chart(canvas, {
            type: chart.kind === "calls" ? "bar" : "line",
            data: {labels: data.labels, datasets: chart.series.map(dataset)},
            options,
        }));
    }

    function repaint() {
        for (const chart of drawn) {
            theme(chart.options);
            chart.data.datasets.forEach(paint);
            chart.update("none");
        }
    }

    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 11;
    data.charts.forEach(draw);

    new MutationObserver(repaint).observe(root, {attributeFilter: ["class", "data-bs-theme", "data-theme"]});
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    still.addEventListener("change", repaint);
}

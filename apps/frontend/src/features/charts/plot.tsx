'use client';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { type Chart, valueText } from './series.rules';

const HEIGHT_PX = 132;

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Colours come from the page's own tokens, so a plot is drawn anew when the theme changes. */
function resolved(name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value || colour(name);
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Hours and minutes, seconds where steps are that short, days where they are that long. */
function clock(at: number, stepS: number): string {
  const date = new Date(at * 1000);
  if (stepS >= 86_400) return `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${two(date.getHours())}:${two(date.getMinutes())}${stepS < 60 ? `:${two(date.getSeconds())}` : ''}`;
}

const LINES = ['--accent-ink', '--attention', '--starting', '--failed', '--running', '--dim', '--ink', '--offline'];

function optionsOf(chart: Chart, width: number, onCursor: (index: number | null) => void): uPlot.Options {
  const [grid, text] = [resolved('--line'), resolved('--faint')];
  const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: `11px ${colour('--font-geist-mono')}, monospace` };
  return {
    width,
    height: HEIGHT_PX,
    cursor: { sync: { key: 'muster' }, points: { size: 5 }, y: false, drag: { setScale: false } },
    legend: { show: false },
    scales: { y: { range: (_, min, max) => [Math.min(0, min ?? 0), Math.max(chart.most ?? 0, (max ?? 1) * 1.1, 1)] } },
    axes: [{ ...axis, size: 26, space: 70, values: (_, splits, __, ___, step) => splits.map((at) => clock(at, step)) }, { ...axis, size: 64, space: 36, values: (_, splits) => splits.map((value) => valueText(value, chart.unit)) }],
    series: [{}, ...chart.lines.map((line, index) => ({ label: line.label, stroke: resolved(LINES[index % LINES.length] ?? '--ink'), width: 1.5, spanGaps: false, points: { show: false } }))],
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)] },
  };
}

/** One plot of the small multiples; all of a page share their cursor. */
export function Plot({ chart, onCursor }: { chart: Chart; onCursor: (index: number | null) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const told = useRef(onCursor);
  const data = [chart.at, ...chart.lines.map(({ values }) => values)] as uPlot.AlignedData;
  const shape = `${chart.id} ${chart.lines.length} ${chart.unit}`;
  useEffect(() => {
    told.current = onCursor;
  });
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(chart, element.clientWidth, (index) => told.current(index)), data, element);
    };
    draw();
    const size = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    size.observe(element);
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    return () => {
      size.disconnect();
      theme.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- drawn anew when its form changes; new data only moves it
  }, [shape]);
  useEffect(() => plot.current?.setData(data));
  return <div ref={box} aria-hidden className="w-full overflow-hidden" style={{ height: HEIGHT_PX }} />;
}

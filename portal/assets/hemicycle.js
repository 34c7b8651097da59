// Everybody of the call list as a seat of a lecture hall, from left to right in call order.
// Decoration of facts that stand beside it in words (aria-hidden). Invariant: a seat never moves, but when
// somebody is added to the list.

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 200;
const INNER = 0.42;

export class Hemicycle {
  constructor(container, total, me) {
    this.container = container;
    this.me = me;
    this.arrange(total);
  }

  arrange(total) {
    const { container, me } = this;
    this.total = total;
    this.seats = [];
    if (!container || total < 3) return;
    const { points, radius } = places(total);
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${WIDTH / 2 + 6}`);
    points.forEach(({ x, y }, index) => {
      const seat = document.createElementNS(SVG, 'circle');
      seat.setAttribute('cx', x.toFixed(1));
      seat.setAttribute('cy', y.toFixed(1));
      seat.setAttribute('r', (index + 1 === me ? radius * 1.5 : radius).toFixed(2));
      if (index + 1 === me) seat.classList.add('moi');
      svg.append(seat);
      this.seats.push(seat);
    });
    if (me && this.seats[me - 1]) svg.append(this.seats[me - 1]); // above its neighbours
    container.replaceChildren(svg);
  }

  update(state) {
    if (state.participants.length !== this.total) this.arrange(state.participants.length);
    this.seats.forEach((seat, index) => {
      const { standing } = state.participants[index];
      if (seat.dataset.etat !== standing) seat.dataset.etat = standing;
    });
  }
}

/** Seats on concentric half circles, sorted by angle; rows as close as seats are within them. */
function places(total) {
  const outer = WIDTH / 2 - 5;
  let rows = 1;
  let counts = [];
  for (; rows <= 24; rows += 1) {
    const radii = Array.from({ length: rows }, (_, row) => outer * (INNER + ((1 - INNER) * (row + 1)) / rows));
    const length = radii.reduce((sum, radius) => sum + Math.PI * radius, 0);
    const gap = (outer * (1 - INNER)) / rows;
    counts = radii.map((radius) => ({ radius, count: Math.round((total * Math.PI * radius) / length) }));
    if (length / total >= gap) break;
  }
  const missing = total - counts.reduce((sum, row) => sum + row.count, 0);
  counts[counts.length - 1].count += missing;
  const points = counts.flatMap(({ radius, count }) => Array.from({ length: count }, (_, index) => {
    const angle = count === 1 ? Math.PI / 2 : (Math.PI * index) / (count - 1);
    return { angle, radius, x: WIDTH / 2 - radius * Math.cos(angle), y: WIDTH / 2 - radius * Math.sin(angle) };
  }));
  points.sort((a, b) => a.angle - b.angle || b.radius - a.radius);
  const spacing = Math.min((outer * (1 - INNER)) / counts.length, (Math.PI * outer) / Math.max(...counts.map((row) => row.count)));
  return { points, radius: Math.min(4, spacing * 0.36) };
}

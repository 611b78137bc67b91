// Keeps the visitor's word in a cookie of this site, so that the work is there after a reload or a closed tab.
const SECONDS_A_DAY = 24 * 60 * 60;

export default function ({ data }) {
  document.cookie = `${data.name}=${data.word}; Path=/; Max-Age=${data.days * SECONDS_A_DAY}; SameSite=Lax`;
}

import { rmSync } from "node:fs";
for (const folder of ["dist", "src/gnss-ubx/dist", "coverage"])
  rmSync(folder, { recursive: true, force: true });

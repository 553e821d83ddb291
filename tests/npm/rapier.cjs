// The boxes of drive_rapier in modules.c, by the package itself in Node: node rapier.cjs PACKAGE OUTPUT. Writes their places as floats.
"use strict";
const fs = require("fs");
const [folder, output] = process.argv.slice(2);
const rapier = require(`${folder}/rapier.cjs`);
const [WIDE, HIGH, STEPS, EACH] = [20, 20, 240, 60];
(async () => {
    await rapier.init();
    const world = new rapier.World({ x: 0, y: -9.81 });
    world.createCollider(rapier.ColliderDesc.cuboid(50, 0.5));
    const boxes = [];
    for (let n = 0; n < WIDE * HIGH; n++) {
        const row = Math.floor(n / WIDE);
        const box = world.createRigidBody(rapier.RigidBodyDesc.dynamic().setTranslation((n % WIDE) * 1.25 + row * 0.125, 2 + row * 1.5));
        world.createCollider(rapier.ColliderDesc.cuboid(0.5, 0.5), box);
        boxes.push(box);
    }
    const places = [];
    for (let step = 1; step <= STEPS; step++) {
        world.step();
        if (step % EACH === 0) for (const box of boxes) places.push(box.translation().x, box.translation().y);
    }
    fs.writeFileSync(output, Buffer.from(Float32Array.from(places).buffer));
})();

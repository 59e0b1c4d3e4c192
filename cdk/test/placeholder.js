const { existsSync, mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

/** Puts a stand-in where the function's zip is missing: these tests look at templates alone. The package never has it. */
module.exports = () => {
  const folder = join(__dirname, '../lambda/x86_64');
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, 'ecsTasks.zip'))) {
    writeFileSync(join(folder, 'ecsTasks.zip'), 'stand-in');
  }
};

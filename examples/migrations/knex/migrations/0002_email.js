// Release 1 does without the column, so that it still runs when release 2 is rolled back.
export async function up(knex) {
  await knex.schema.alterTable('users', (table) => table.text('email'));
}

export async function down(knex) {
  await knex.schema.alterTable('users', (table) => table.dropColumn('email'));
}

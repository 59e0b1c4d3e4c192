export async function up(knex) {
  await knex.schema.createTable('users', (table) => {
    table.increments('id');
    table.text('name').notNullable();
  });
}

export async function down(knex) {
  await knex.schema.dropTable('users');
}

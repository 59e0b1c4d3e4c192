// How knex reaches the database: by DATABASE_URL, which the task definition takes from a secret.
export default {
  client: 'pg',
  connection: process.env.DATABASE_URL,
  migrations: { directory: './migrations', loadExtensions: ['.js'] },
};

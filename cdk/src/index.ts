export * from './hook';
export * from './props';
export * from './provider';
export * from './task';

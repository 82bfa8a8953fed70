/** What a keeper says by its exit to whoever has started it. */

/** Another process keeps the folder. */
export const exitHeld = 3

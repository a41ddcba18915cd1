import type { VNode } from "preact";

export { Component, createContext, h, render } from "preact";
export * from "preact/hooks";
export declare const html: (strings: TemplateStringsArray, ...values: unknown[]) => VNode;

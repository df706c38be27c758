/** The package declares the module's exports; a Worker import gives the compiled module itself. */
declare module '@jsquash/png/codec/pkg/squoosh_png_bg.wasm' {
  const module: WebAssembly.Module;
  export default module;
}

package javax.annotation;

/** Stands in for the annotation that Java had until version 8, and that the generated classes carry. */
public @interface Generated {
  String[] value();

  String date() default "";

  String comments() default "";
}
